import type { Abortable } from "@pileus/core";
import {
  findProcesses,
  type InstanceContext,
  type ProcessIdentity,
  readHeldRun,
  readIfThere,
  signalProcess,
  waitForEnd,
} from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import { runFiles } from "./run-files.ts";

/**
 * Finds our QEMU that runs the machine with this UUID: the process that its keeper noted, if it has the UUID among its
 * arguments; else any process that has it, because a crash may have come before the note.
 */
export async function findQemu(
  instance: InstanceContext,
  options: Abortable = {},
): Promise<ProcessIdentity | undefined> {
  const noted = (await readHeldRun(instance.run))?.program ?? 0;
  const likely = noted > 0 ? noted : undefined;
  return (await findAll(instance, { ...options, likely }))[0];
}

/**
 * Kills every QEMU of ours that runs the machine with this UUID, whatever its state. Returns when they have ended.
 *
 * @throws {TimeoutError} when one does not end within 5 s, for example because the kernel waits for a disk.
 */
export async function killQemu(instance: InstanceContext): Promise<void> {
  for (const identity of await findAll(instance, {})) {
    await signalProcess(identity, "SIGKILL");
    await waitForEnd(identity);
  }
}

/** Those of the user that the run noted. A machine of an earlier release noted none: it runs as our user. */
async function findAll(
  instance: InstanceContext,
  options: Abortable & { readonly likely?: number | undefined },
): Promise<readonly ProcessIdentity[]> {
  const noted = await readIfThere(runFiles(instance).user);
  const owners = noted === undefined ? [] : [Number(noted)];
  return findProcesses((argv) => runsMachine(argv, instance.uuid), { ...options, owners });
}

/** Whether these are the arguments of a QEMU with this UUID, or of the process that becomes it in its cgroup. Pure. */
export function runsMachine(argv: readonly string[], uuid: string): boolean {
  const at = argv.indexOf("-uuid");
  return at > 0 && argv[at + 1] === uuid && argv.slice(0, at).some((argument) => argument.endsWith(QEMU));
}
