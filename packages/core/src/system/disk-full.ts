import { CommandError } from "../contract/errors.ts";

/** As tools say it: the C library's words, and those of Go. */
const NO_ROOM = /no space left on device|disk quota exceeded/i;

/** Whether a tool says that a file system had no room. */
export function saysDiskFull(text: string): boolean {
  return NO_ROOM.test(text);
}

/**
 * Whether a file system, or the user's share of it, had no room: for blocks or for inodes, as a system call says it or
 * a tool of the host.
 */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || (error instanceof CommandError && saysDiskFull(error.stderr));
}
