import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import type { SystemCalls } from "./system-calls.ts";

/** A pipe between a program and the agent. */
export interface ProgramPipe {
  /** The program's end, which it inherits and which is then closed here. */
  readonly theirs: number;
  readonly ours: number;
}

/**
 * Makes a pipe that a program reads from (`"in"`) or writes to. It belongs to `owner`, and only that user can open it as
 * /dev/stdout. The "pipes" of `node:child_process` are sockets: no program can open them that way, and a program gets
 * ECONNRESET instead of SIGPIPE.
 */
export function makePipe(
  calls: SystemCalls,
  direction: "in" | "out",
  owner: { readonly uid: number; readonly gid: number },
): ProgramPipe {
  const { read, write } = calls.pipe();
  // Both ends have the same inode.
  if (process.getuid?.() === 0) fchownSync(read, owner.uid, owner.gid);
  return direction === "in" ? { theirs: read, ours: write } : { theirs: write, ours: read };
}

/** Our end as a stream, which closes the descriptor when it ends. */
export function openEnd(pipe: ProgramPipe, direction: "in" | "out"): Socket {
  return new Socket({ fd: pipe.ours, readable: direction === "out", writable: direction === "in" });
}

export function closeEnds(pipes: readonly ProgramPipe[], which: readonly ("theirs" | "ours")[]): void {
  for (const pipe of pipes) for (const end of which) closeSync(pipe[end]);
}
