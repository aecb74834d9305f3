import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import type { SystemCalls } from "./system-calls.ts";

/** A pipe whose one end is a program's and whose other is ours. */
export interface ProgramPipe {
  /** The program's end: to be inherited, then closed here. */
  readonly theirs: number;
  readonly ours: number;
}

/**
 * A pipe for a program to read from (`"in"`) or write to, which belongs to the owner: only he can open it by /dev/stdout. What
 * `node:child_process` calls pipes are sockets: nobody can open them so, and a program is told ECONNRESET where SIGPIPE
 * was due.
 */
export function makePipe(
  calls: SystemCalls,
  direction: "in" | "out",
  owner: { readonly uid: number; readonly gid: number },
): ProgramPipe {
  const { read, write } = calls.pipe();
  // One inode has both ends.
  if (process.getuid?.() === 0) fchownSync(read, owner.uid, owner.gid);
  return direction === "in" ? { theirs: read, ours: write } : { theirs: write, ours: read };
}

/** Our end as a stream, which closes it when it ends. */
export function openEnd(pipe: ProgramPipe, direction: "in" | "out"): Socket {
  return new Socket({ fd: pipe.ours, readable: direction === "out", writable: direction === "in" });
}

export function closeEnds(pipes: readonly ProgramPipe[], which: readonly ("theirs" | "ours")[]): void {
  for (const pipe of pipes) for (const end of which) closeSync(pipe[end]);
}
