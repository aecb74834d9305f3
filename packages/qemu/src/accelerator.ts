import { constants } from "node:fs";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Abortable, CommandError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import type { Accelerator } from "./argv/machine-spec.ts";

/** How guests are run on this host, and why. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** The processor model that goes with it. */
  readonly cpuModel: string;
  readonly reason: string;
}

const KVM = { accelerator: "kvm", cpuModel: "host" } as const;
const TCG = { accelerator: "tcg", cpuModel: "max" } as const;

/**
 * The time limit of the test guest, in milliseconds. It takes about 60 ms, and 8.6 s under a KVM that emulates each
 * instruction.
 */
const TRIAL_TIMEOUT = 800;

/**
 * Chooses KVM only where a guest really runs under it. A `/dev/kvm` that opens proves nothing: some kernel modules
 * accept a machine and then emulate it, at a million instructions a second, or fail at the first instruction that they
 * do not know.
 */
export async function chooseAccelerator(spawn: Spawn, options: Abortable = {}): Promise<AcceleratorChoice> {
  const obstacle = (await missingKvm()) ?? (await trialObstacle(spawn, options));
  return obstacle === undefined
    ? { ...KVM, reason: "a test guest ran under KVM" }
    : { ...TCG, reason: `KVM is not used: ${obstacle}` };
}

async function missingKvm(): Promise<string | undefined> {
  if (!(await accessible("/dev/kvm", constants.R_OK | constants.W_OK))) return "/dev/kvm is missing or not accessible";
  const flags = /^flags\s*:(.*)$/m.exec(await readFile("/proc/cpuinfo", "latin1"))?.[1]?.split(" ") ?? [];
  if (!flags.includes("vmx") && !flags.includes("svm")) return "the processor offers neither vmx nor svm";
  const loaded = async (name: string) => accessible(`/sys/module/${name}`, constants.F_OK);
  if ((await loaded("kvm_pvm")) && !(await loaded("kvm_intel")) && !(await loaded("kvm_amd"))) {
    return "the module kvm_pvm emulates ordinary guests";
  }
  return undefined;
}

/**
 * Runs a machine whose firmware is the test: at the reset vector it counts five million down, then writes 0x10 to the
 * exit device, which ends QEMU with 2 × 16 + 1 = 33.
 */
export async function trialObstacle(spawn: Spawn, options: Abortable): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-kvm-"));
  try {
    const firmware = join(folder, "trial.bin");
    await writeFile(firmware, trialFirmware());
    await spawn(["timeout", "--signal=KILL", String(TRIAL_TIMEOUT / 1000), ...renderTrial(firmware)], {
      signal: options.signal,
      allow: [33],
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // timeout(1) exits with 137 when it has sent SIGKILL.
    if (error.exitCode === 137 || error.signal === "SIGKILL")
      return `a test guest did not end within ${TRIAL_TIMEOUT} ms`;
    return `a test guest failed (${error.stderr.trim().split("\n").at(-1) ?? `exit code ${error.exitCode}`})`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function renderTrial(firmware: string): string[] {
  return [
    ...[QEMU, "-accel", "kvm", "-cpu", KVM.cpuModel, "-machine", "microvm,acpi=off,rtc=off,pit=off,pic=off"],
    ...["-m", "2", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-bios", firmware],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
  ];
}

/**
 * 64 KiB of `hlt`, with the trial at the reset vector: mov ecx,5000000; dec ecx; jnz; mov al,0x10; out 0xf4,al; hlt.
 */
function trialFirmware(): Buffer {
  const image = Buffer.alloc(0x10000, 0xf4);
  Buffer.from("66b9404b4c00664975fcb010e6f4f4", "hex").copy(image, 0xfff0);
  return image;
}

async function accessible(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
