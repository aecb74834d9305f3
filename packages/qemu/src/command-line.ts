import type { NicAttachment } from "@pileus/core/driver";
import type { Accelerator, MachineType } from "./argv/machine-spec.ts";

export interface CommandLineParts {
  readonly hostname: string;
  readonly nics: readonly Pick<NicAttachment, "device" | "mac" | "ipv4" | "dns">[];
  readonly type: MachineType;
  readonly accelerator: Accelerator;
  /** The rate of this host's time stamp counter, in kHz, which TCG hands to its guests. */
  readonly tscKhz?: number | undefined;
  /** Whether an initramfs of the caller's looks for the root: ours finds it by its serial. */
  readonly ownInitramfs?: boolean | undefined;
  /** The memory of a machine that can get more while it runs, in bytes. */
  readonly growsFrom?: number | undefined;
}

/**
 * The kernel's command line: options that make it start quickly, and what our initramfs must know (see
 * `initramfs/init-script.ts`). The schemas of names and addresses allow no blank and no comma.
 */
export function renderCommandLine(parts: CommandLineParts): string {
  const { hostname, nics, type, accelerator, tscKhz, ownInitramfs = false, growsFrom } = parts;
  // An emulated processor does not speculate, so it needs no mitigations. Tests of its timers and ciphers are not worth
  // their time.
  const emulated = ["mitigations=off", "nokaslr", "no_timer_check", "cryptomgr.notests", "rcupdate.rcu_expedited=1"];
  return [
    "console=ttyS0",
    "quiet",
    "rw",
    // A panic ends or resets the machine at once. A microvm can only be reset by a triple fault.
    "panic=-1",
    "reboot=t",
    "random.trust_cpu=on",
    // Interfaces have the names that the initramfs gave them.
    "net.ifnames=0",
    ...(accelerator === "tcg" ? emulated : []),
    // Under TCG on a busy host, a microvm fails to calibrate its counter against the PIT, and hangs. A PC has more
    // clocks to calibrate it against.
    ...(accelerator === "tcg" && type === "microvm" && tscKhz !== undefined ? [`tsc_early_khz=${tscKhz}`] : []),
    ...(growsFrom === undefined ? [] : growing(growsFrom)),
    ...(ownInitramfs ? ["root=LABEL=root"] : []),
    `pileus.hostname=${hostname}`,
    ...nics.map(({ device, mac, ipv4, dns }) => `pileus.nic=${[device, mac, ipv4.address, dns.domain].join(",")}`),
  ].join(" ");
}

/** Below this a q35 has no memory beyond 4 GiB at its start (hw/i386/pc_q35.c), whatever it can get. */
const BELOW_4G = 2 * 2 ** 30;

/**
 * New memory is used at once, and such as can be given back as far as that leaves enough for the kernel itself
 * (Documentation/admin-guide/mm/memory-hotplug.rst). It lies beyond 4 GiB, so the kernel would set 64 MiB aside for devices
 * that reach no further; ours all do.
 */
function growing(memory: number): readonly string[] {
  const online = ["memhp_default_state=online", "memory_hotplug.online_policy=auto-movable"];
  return memory > BELOW_4G ? online : [...online, "swiotlb=512"];
}
