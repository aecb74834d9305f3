import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { resolve } from "node:path";
import type { Spawned } from "@pileus/core/files";
import { explainErrno } from "./errno.ts";

/** The PATH of every program, unless the request sets one. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SHELL = "/bin/sh";
const { ENOENT, ENOEXEC, ENOTDIR } = os.errno;

/** Why a program was not started, and the exit code that a shell would give for it. */
export interface Refusal {
  readonly code: 126 | 127;
  readonly reason: string;
}

export interface ProgramRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The folders in which a name without a slash is looked for, as in PATH. */
  readonly path: string;
}

/** How a program is looked up and started. Both functions use the program's credentials. */
export interface ProgramActions {
  /** Looks at files. */
  look<T>(look: () => T): T;
  /** Executes a file. A relative path is resolved from the request's `cwd`. */
  attempt(file: string, argv: readonly string[]): Spawned;
}

/**
 * Starts a program as execvp(3) does: a name without a slash is looked for in `path`, and a text file without an
 * interpreter line is run by the shell.
 */
export function startProgram(request: ProgramRequest, actions: ProgramActions): { readonly pid: number } | Refusal {
  const { argv, cwd, path } = request;
  const name = argv[0] ?? "";
  const closed = actions.look(() => errnoOf(() => enter(cwd)));
  if (closed !== undefined) return { code: 126, reason: `cannot enter ${cwd}: ${explainErrno(closed)}` };
  let errno: number = ENOENT;
  for (const file of actions.look(() => candidates(name, cwd, path))) {
    const launched = execute(file, request, actions);
    if ("pid" in launched) return launched;
    if (name.includes("/") || !isAbsence(launched.errno)) errno = launched.errno;
  }
  return { code: errno === ENOENT ? 127 : 126, reason: `cannot run ${name}: ${explainErrno(errno)}` };
}

function execute(file: string, { argv, cwd }: ProgramRequest, { look, attempt }: ProgramActions): Spawned {
  const launched = attempt(file, argv);
  if ("pid" in launched || launched.errno !== ENOEXEC || look(() => isBinary(resolve(cwd, file)))) return launched;
  const shell = attempt(SHELL, [SHELL, file, ...argv.slice(1)]);
  // Without a shell, the first error stands: the file cannot be executed.
  return "pid" in shell ? shell : launched;
}

/** The files to try. To start a process for each folder of PATH would take several times as long. */
function candidates(name: string, cwd: string, path: string): readonly string[] {
  if (name === "") return [];
  if (name.includes("/")) return [name];
  const files = path.split(":").map((folder) => (folder === "" ? `./${name}` : `${folder}/${name}`));
  return files.filter((file) => {
    const errno = errnoOf(() => statSync(resolve(cwd, file)));
    return errno === undefined || !isAbsence(errno);
  });
}

function isAbsence(errno: number): boolean {
  return errno === ENOENT || errno === ENOTDIR;
}

function enter(cwd: string): void {
  if (!statSync(cwd).isDirectory()) throw Object.assign(new Error("not a folder"), { errno: -ENOTDIR });
  accessSync(cwd, constants.X_OK);
}

/** Whether a file is a program for another architecture, or a broken program: a shell would run it as a script. */
function isBinary(file: string): boolean {
  const magic = Buffer.from("\x7fELF", "latin1");
  const head = Buffer.alloc(magic.length);
  try {
    const fd = openSync(file, "r");
    try {
      readSync(fd, head);
    } finally {
      closeSync(fd);
    }
  } catch {
    // A user who may not read the file may not have a shell read it either.
    return true;
  }
  return head.equals(magic);
}

function errnoOf(act: () => unknown): number | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return -((error as NodeJS.ErrnoException).errno ?? -os.errno.EIO);
  }
}
