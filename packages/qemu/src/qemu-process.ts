import { spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { type Abortable, CommandError, HostError } from "@pileus/core";
import {
  findProcesses,
  missingTool,
  type ProcessIdentity,
  signalProcess,
  TOOL_ENV,
  waitForEnd,
} from "@pileus/core/driver";
import { QEMU } from "./argv/argv.ts";
import { TOOLS } from "./tools.ts";

/** A QEMU that was just started and is not known to work yet. */
export interface StartedQemu {
  readonly pid: number;
  /** Rejects when it ends; never resolves. */
  readonly failure: Promise<never>;
}

/**
 * Starts QEMU detached: in a session of its own, its output in a file, so that it lives on whatever becomes of us.
 * `descriptors` are inherited as its 3, 4 and so on.
 *
 * @throws {HostError} when it is not there.
 */
export async function startQemu(
  argv: readonly string[],
  options: { readonly cwd: string; readonly log: string; readonly descriptors: readonly number[] },
): Promise<StartedQemu> {
  const [file = "", ...rest] = argv;
  const log = await open(options.log, "w", 0o600);
  try {
    const child = spawn(file, rest, {
      cwd: options.cwd,
      env: TOOL_ENV,
      detached: true,
      stdio: ["ignore", log.fd, log.fd, ...options.descriptors],
    });
    const ended = new Promise<never>((_, reject) => {
      child.once("exit", (code, signal) => {
        void readTail(options.log).then((stderr) => {
          reject(new CommandError({ argv, exitCode: code ?? undefined, signal: signal ?? undefined, stderr }));
        }, reject);
      });
    });
    // Who starts it listens only until it works.
    ended.catch(() => undefined);
    await once(child, "spawn");
    child.unref();
    return { pid: child.pid ?? 0, failure: ended };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new HostError("start a virtual machine", [missingTool(file, TOOLS[QEMU])], { cause });
  } finally {
    await log.close();
  }
}

/**
 * The QEMU of ours that runs the machine with this UUID: the one that the pid file names, if it has the UUID among its
 * arguments; else, where a crash came before the file was written, any process that has.
 */
export async function findQemu(
  uuid: string,
  pidFile: string,
  options: Abortable = {},
): Promise<ProcessIdentity | undefined> {
  const noted = Number(await readIfThere(pidFile));
  const likely = Number.isSafeInteger(noted) && noted > 0 ? noted : undefined;
  return (await findProcesses((argv) => runs(argv, uuid), { ...options, likely }))[0];
}

/**
 * Ends every QEMU of ours that runs the machine with this UUID, whatever state it is in, and returns when they are
 * gone.
 *
 * @throws {TimeoutError} when one does not end within 5 s: the kernel waits for a disk, say.
 */
export async function killQemu(uuid: string): Promise<void> {
  for (const identity of await findProcesses((argv) => runs(argv, uuid))) {
    await signalProcess(identity, "SIGKILL");
    await waitForEnd(identity);
  }
}

function runs(argv: readonly string[], uuid: string): boolean {
  const at = argv.indexOf("-uuid");
  return argv[0]?.endsWith("qemu-system-x86_64") === true && at > 0 && argv[at + 1] === uuid;
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

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
