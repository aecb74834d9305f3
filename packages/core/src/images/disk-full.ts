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

/**
 * An error as it is, or as a {@link HostError} where it says that a file system had no room for what was to be made.
 */
export function explainDiskFull(action: string, error: unknown): unknown {
  if (!isDiskFull(error)) return error;
  const reason = "no space is left on the file system of the folder that it goes to";
  const need = { need: "disk-space", reason, fix: "free some, inodes too, or take a folder on a larger file system" };
  return new HostError(action, [need], { cause: error });
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
