import { spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { type Abortable, CommandError, HostError } from "@pileus/core";
import {
  cgroupFailure,
  findProcesses,
  findTool,
  type InstanceContext,
  inOwnCgroup,
  missingTool,
  type ProcessIdentity,
  readIfThere,
  signalProcess,
  TOOL_ENV,
  waitForEnd,
} from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import { type ConfinedUser, confined } from "./confine.ts";
import { runFiles } from "./run-files.ts";
import { TOOLS } from "./tools.ts";

/** A QEMU that was just started and may still fail. */
export interface StartedQemu {
  readonly pid: number;
  /** Rejects when it ends; never resolves. */
  readonly failure: Promise<never>;
}

/**
 * Starts QEMU detached, in its own session, in the cgroup of this name and with its output in a file, so that it
 * outlives this process and the service that this process belongs to. It never runs as another user than `user`.
 * `descriptors` are inherited as its 3, 4 and so on.
 *
 * @throws {HostError} when QEMU is not installed. `failure` is one when the cgroup cannot be made.
 */
export async function startQemu(
  argv: readonly string[],
  options: {
    readonly cgroup: string;
    readonly user: ConfinedUser | undefined;
    readonly log: string;
    readonly descriptors: readonly number[];
  },
): Promise<StartedQemu> {
  const [qemu = ""] = argv;
  if (findTool(qemu) === undefined) throw new HostError("start a virtual machine", [missingTool(qemu, TOOLS[QEMU])]);
  const [file = "", ...rest] = inOwnCgroup(options.cgroup, confined(argv, options.user));
  const log = await open(options.log, "w", 0o600);
  try {
    const child = spawn(file, rest, {
      cwd: "/",
      env: TOOL_ENV,
      detached: true,
      stdio: ["ignore", log.fd, log.fd, ...options.descriptors],
    });
    const ended = new Promise<never>((_, reject) => {
      child.once("exit", (code, signal) => {
        void readTail(options.log).then((stderr) => {
          const failure = new CommandError({ argv, exitCode: code ?? undefined, signal: signal ?? undefined, stderr });
          reject(cgroupFailure("start a virtual machine", failure));
        }, reject);
      });
    });
    // The caller listens to `failure` only until QEMU works.
    ended.catch(() => undefined);
    await once(child, "spawn");
    child.unref();
    return { pid: child.pid ?? 0, failure: ended };
  } finally {
    await log.close();
  }
}

/**
 * Finds our QEMU that runs the machine with this UUID: the process that the pid file names, if it has the UUID among
 * its arguments; else any process that has it, because a crash may have come before the file was written.
 */
export async function findQemu(
  instance: InstanceContext,
  options: Abortable = {},
): Promise<ProcessIdentity | undefined> {
  const noted = Number(await readIfThere(runFiles(instance).pid));
  const likely = Number.isSafeInteger(noted) && noted > 0 ? noted : undefined;
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

async function readTail(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, Math.max(0, size - 4096));
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file?.close();
  }
}
