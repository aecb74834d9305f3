import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";

/** A pipe whose one end is a program's and whose other is ours. */
export interface ProgramPipe {
  /** The program's end: to be inherited, then closed here. */
  readonly theirs: number;
  readonly ours: number;
}

/** koffi's native half: what of it is needed here. */
interface Ffi {
  load(library: null): { func(declaration: string): (fds: number[], flags: number) => number };
}

const O_CLOEXEC = 0o2000000;

/**
 * Makes pipes by pipe2(2). What `node:child_process` calls pipes are sockets: a program cannot open its own by /dev/stdout, and is
 * told ECONNRESET where SIGPIPE was due.
 */
export class PipeMaker {
  readonly #path: string;
  #pipe2: ((fds: number[], flags: number) => number) | undefined;

  /** `path`: of `koffi.node`. Loaded on first use. */
  constructor(path: string) {
    this.#path = path;
  }

  /** A pipe for a program to read from (`"in"`) or write to, which belongs to the owner: only he can open it by name. */
  make(direction: "in" | "out", owner: { readonly uid: number; readonly gid: number }): ProgramPipe {
    const fds = [-1, -1];
    this.#pipe2 ??= loadPipe2(this.#path);
    if (this.#pipe2(fds, O_CLOEXEC) !== 0) throw new Error("no pipe: too many files are open");
    const [read, write] = fds as [number, number];
    // One inode has both ends.
    if (process.getuid?.() === 0) fchownSync(read, owner.uid, owner.gid);
    return direction === "in" ? { theirs: read, ours: write } : { theirs: write, ours: read };
  }
}

/** Our end as a stream, which closes it when it ends. */
export function openEnd(pipe: ProgramPipe, direction: "in" | "out"): Socket {
  return new Socket({ fd: pipe.ours, readable: direction === "out", writable: direction === "in" });
}

export function closeEnds(pipes: readonly ProgramPipe[], which: readonly ("theirs" | "ours")[]): void {
  for (const pipe of pipes) for (const end of which) closeSync(pipe[end]);
}

function loadPipe2(path: string): (fds: number[], flags: number) => number {
  const module = { exports: {} as Ffi };
  process.dlopen(module, path);
  return module.exports.load(null).func("int pipe2(_Out_ int *fds, int flags)");
}
