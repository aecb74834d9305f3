import type { MachineSpec } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** The guest's memory is in no core dump of QEMU. */
const NO_DUMP = { "dump-guest-core": false };

/** The board, its name, and how it is emulated. */
export function renderMachine(spec: MachineSpec): string[] {
  const board =
    spec.type === "q35"
      ? // No floppy, parallel port or VMware port is emulated; the i8042 stays, because firmware and kernels probe it.
        renderOption(spec.board, { vmport: false, ...NO_DUMP })
      : // ACPI stays on: Debian's kernel takes no virtio-mmio devices from its command line, and ACPI has the power button.
        renderOption(spec.board, { acpi: true, rtc: true, "isa-serial": true, "x-option-roms": false, ...NO_DUMP });
  return [
    "-name",
    renderOption(undefined, { guest: spec.name, "debug-threads": true }),
    "-uuid",
    spec.uuid,
    "-machine",
    board,
    ...renderFirmware(spec),
    "-accel",
    spec.accelerator === "tcg" ? renderOption("tcg", { thread: "multi" }) : "kvm",
    "-no-user-config",
    "-nodefaults",
    "-display",
    "none",
    ...renderPanic(spec),
  ];
}

// A microvm with ACPI has SeaBIOS by default. On QEMU 10, SeaBIOS finds no kernel without option ROMs; with them, the
// kernel sometimes hangs when it sets up its timer. qboot, which QEMU includes for this board, starts the kernel
// itself.
function renderFirmware(spec: MachineSpec): string[] {
  return spec.type === "microvm" ? ["-bios", "qboot.rom"] : [];
}

// A kernel that panics reboots at once (panic=-1). With this device it tells QEMU first, and QEMU ends instead of
// rebooting the guest forever.
function renderPanic(spec: MachineSpec): string[] {
  return spec.type === "q35"
    ? [
        "-device",
        renderOption("pvpanic-pci", { id: "pvpanic" }),
        "-action",
        renderOption(undefined, { panic: "shutdown" }),
      ]
    : [];
}

/**
 * Makes QEMU give up what it does not need once it runs: no new programs, no other ids, no other priorities, no
 * obsolete system calls. `spawn=deny` rules out `-daemonize`, so QEMU is started detached instead.
 */
export function renderSandbox(): string[] {
  const deny = { obsolete: "deny", elevateprivileges: "deny", spawn: "deny", resourcecontrol: "deny" };
  return ["-sandbox", renderOption("on", deny)];
}
