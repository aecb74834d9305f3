import { CommandError, HostError } from "../contract/errors.ts";

/** The error for a file system that has no room for an image. */
export function diskFull(image: string, cause: unknown): HostError {
  const need = {
    need: "disk-space",
    reason: "no space is left on the file system of the image store",
    fix: "free some, or open the host with a root on a larger file system",
  };
  return new HostError(`store image ${image}`, [need], { cause });
}

/** As tools say it: the C library's words, and those of Go. */
const NO_ROOM = /no space left on device|disk quota exceeded/i;

/** Whether a tool says that a file system had no room. */
export function saysDiskFull(text: string): boolean {
  return NO_ROOM.test(text);
}

/** Whether a file system had no room: as a system call says it, or as a tool of the host. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || (error instanceof CommandError && saysDiskFull(error.stderr));
}
