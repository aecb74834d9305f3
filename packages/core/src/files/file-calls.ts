import { futimesSync, lutimesSync } from "node:fs";
import { constants } from "node:os";
import type { Extent } from "../tar/entry.ts";

/** System calls on files that Node does not offer. */
export interface FileCalls {
  /**
   * Sets the times of an open file, or of what is at a path, to nanoseconds since the epoch. A symlink is not followed.
   * utimensat(2).
   */
  setTime(target: number | Buffer, time: bigint): void;
  /**
   * The next part of an open file, at `from` or after, that is not a hole; `undefined` if only a hole follows.
   * lseek(2).
   */
  nextData(fd: number, from: number): Extent | undefined;
  /** Gives a name to an open file that has none (O_TMPFILE). False if the name is taken. linkat(2). Needs /proc. */
  giveName(fd: number, path: Buffer): boolean;
}

/** The part of koffi that is needed: the C library, and the error number of the last call. */
export interface ForeignLibrary {
  func(declaration: string): (...args: unknown[]) => number;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_SYMLINK_FOLLOW = 0x400;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;
const EEXIST = 17;

/** The calls through a loaded C library. */
export function fileCalls(libc: ForeignLibrary, errno: () => number): FileCalls {
  const utimensat = libc.func("int utimensat(int folder, const uint8_t *path, const uint8_t *times, int flags)");
  const futimens = libc.func("int futimens(int fd, const uint8_t *times)");
  const lseek = libc.func("long lseek(int fd, long offset, int whence)");
  const linkat = libc.func(
    "int linkat(int folder, const uint8_t *path, int toFolder, const uint8_t *toPath, int flags)",
  );
  const times = Buffer.alloc(32);
  return {
    setTime(target, time) {
      const seconds = time / 1_000_000_000n - (time % 1_000_000_000n < 0n ? 1n : 0n);
      times.writeBigInt64LE(seconds, 0);
      times.writeBigInt64LE(time - seconds * 1_000_000_000n, 8);
      times.copyWithin(16, 0, 16);
      const result =
        typeof target === "number"
          ? futimens(target, times)
          : utimensat(AT_FDCWD, terminated(target), times, AT_SYMLINK_NOFOLLOW);
      if (result !== 0) throw failure("utimensat", errno());
    },
    nextData(fd, from) {
      const offset = lseek(fd, from, SEEK_DATA);
      // Nothing but a hole, to the end.
      if (offset < 0 && errno() === ENXIO) return undefined;
      if (offset < 0) throw failure("lseek", errno());
      const end = lseek(fd, offset, SEEK_HOLE);
      if (end < 0) throw failure("lseek", errno());
      return { offset, length: end - offset };
    },
    giveName(fd, path) {
      // Through its entry in /proc: AT_EMPTY_PATH would need a capability.
      const self = Buffer.from(`/proc/self/fd/${fd}\0`);
      if (linkat(AT_FDCWD, self, AT_FDCWD, terminated(path), AT_SYMLINK_FOLLOW) === 0) return true;
      if (errno() === EEXIST) return false;
      throw failure("linkat", errno());
    },
  };
}

/** A path as the C library takes it. */
function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, END]);
}

const END = Buffer.alloc(1);

/** An error of a system call, as `node:fs` makes them. */
function failure(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${syscall}: ${code}`), { code, errno, syscall });
}

/** The calls, or Node's own where it has them. */
export function setTime(calls: FileCalls | undefined, target: number | Buffer, time: bigint): void {
  if (calls !== undefined) {
    calls.setTime(target, time);
    return;
  }
  const seconds = Number(time) / 1e9;
  if (typeof target === "number") futimesSync(target, seconds, seconds);
  else lutimesSync(target, seconds, seconds);
}
