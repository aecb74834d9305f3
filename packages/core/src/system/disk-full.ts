import { CommandError } from "../errors/all.ts";

/** How tools report a full disk: the messages of the C library and of Go. */
const NO_ROOM = /no space left on device|disk quota exceeded/i;

/** How dnsmasq and programs of systemd report that inotify_init1(2) or inotify_add_watch(2) failed. */
const NO_WATCH = /failed to (create inotify|allocate directory watch)/i;

/** Whether the output of a tool reports a full disk or an exhausted quota. */
export function saysDiskFull(text: string): boolean {
  return NO_ROOM.test(text) && !saysNoWatch(text);
}

/** Whether the output of a tool reports that its user has no inotify left, for which the C library has no words of its own. */
export function saysNoWatch(text: string): boolean {
  return NO_WATCH.test(text);
}

/**
 * Whether an error means that a file system or a quota has no blocks or inodes left. Recognises errors of system calls
 * and of tools.
 */
export function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || (error instanceof CommandError && saysDiskFull(error.stderr));
}
