import { CommandError } from "../errors/all.ts";

/** How tools report a full disk: the messages of the C library and of Go. */
const NO_ROOM = /no space left on device|disk quota exceeded/i;

/** Whether the output of a tool reports a full disk or an exhausted quota. */
export function saysDiskFull(text: string): boolean {
  return NO_ROOM.test(text);
}

/**
 * Whether an error means that a file system or a quota has no blocks or inodes left. Recognises errors of system calls
 * and of tools.
 */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || (error instanceof CommandError && saysDiskFull(error.stderr));
}
