import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { constants as os } from "node:os";
import { resolve } from "node:path";
import { explainErrno } from "./errno.ts";
import type { Launched } from "./launcher.ts";

/** What every program starts with; the request's variables go above it. */
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
  /** Folders to find a name without a slash in, as in PATH. */
  readonly path: string;
}

/** How a program is started: both with the credentials that it is to have. */
export interface ProgramActions {
  /** Looks at files. */
  look<T>(look: () => T): T;
  /** Executes a file, whose path is from the request's `cwd`. */
  attempt(file: string, argv: readonly string[]): Launched;
}

/**
 * Starts a program as execvp(3) does: a name without a slash is looked for by `path`, and a text that names no
 * interpreter is run by the shell.
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

function execute(file: string, { argv, cwd }: ProgramRequest, { look, attempt }: ProgramActions): Launched {
  const launched = attempt(file, argv);
  if ("pid" in launched || launched.errno !== ENOEXEC || look(() => isBinary(resolve(cwd, file)))) return launched;
  const shell = attempt(SHELL, [SHELL, file, ...argv.slice(1)]);
  // Without a shell it remains what it is: nothing that can be executed.
  return "pid" in shell ? shell : launched;
}

/** What there is to try: to start a process for each folder of PATH would take several times as long. */
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

/** Whether a file is a program for another machine, or a broken one: a shell would take it for a text. */
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
    // Who may not read it may not have a shell read it.
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
