import { closeSync, constants } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { type Abortable, CommandError, HostError } from "@pileus/core";
import { findTool, LAUNCH_HELPER, launchArgv, type Spawn, sealedFile } from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import { renderSandbox } from "./argv/machine.ts";
import type { Accelerator } from "./argv/machine-spec.ts";
import { type ConfinedUser, confined } from "./confine.ts";
import { groupsFor } from "./kvm-group.ts";
import { trialUser } from "./machine-user.ts";

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
 * exit device, which ends QEMU with 2 × 16 + 1 = 33. It runs as confined as any machine.
 */
export async function trialObstacle(
  spawn: Spawn,
  options: Abortable,
  userOf = trialKvmUser,
): Promise<string | undefined> {
  const firmware = sealedFile("trial", trialFirmware(), 0o444);
  try {
    // The descriptors that the tool inherits begin at 3.
    const machine = confined(renderTrial("/proc/self/fd/3"), await userOf());
    const [tool = "", ...rest] = machine;
    const launched = launchArgv([findTool(tool) ?? tool, ...rest], 4);
    await spawn(["timeout", "--signal=KILL", String(TRIAL_TIMEOUT / 1000), ...launched], {
      signal: options.signal,
      allow: [33],
      descriptors: [firmware, LAUNCH_HELPER.descriptor()],
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // timeout(1) exits with 137 when it has sent SIGKILL.
    if (error.exitCode === 137 || error.signal === "SIGKILL")
      return `a test guest did not end within ${TRIAL_TIMEOUT} ms`;
    return `a test guest failed (${error.stderr.trim().split("\n").at(-1) ?? `exit code ${error.exitCode}`})`;
  } finally {
    closeSync(firmware);
  }
}

/**
 * A user that may use KVM. Where only root may, a machine is refused unless its configuration asks for root, so root
 * tries it for that machine, without any capability.
 */
export async function trialKvmUser(
  groupsOf: (accelerator: "kvm") => Promise<readonly number[]> = groupsFor,
): Promise<ConfinedUser | undefined> {
  const user = await trialUser();
  if (user === undefined) return undefined;
  try {
    return { ...user, groups: await groupsOf("kvm") };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { uid: 0, gid: 0, groups: [] };
  }
}

function renderTrial(firmware: string): string[] {
  return [
    ...[QEMU, "-accel", "kvm", "-cpu", KVM.cpuModel, "-machine", "microvm,acpi=off,rtc=off,pit=off,pic=off"],
    ...["-m", "2", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-bios", firmware],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
    ...renderSandbox(),
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
