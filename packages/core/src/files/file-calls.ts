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
  /**
   * The names of the extended attributes of an open file, or of what is at a path, itself, as byte strings. None where
   * the file system has no attributes. listxattr(2).
   */
  xattrNames(target: number | Buffer): readonly string[];
  /** The value of an attribute; `undefined` where it is gone. getxattr(2). */
  xattr(target: number | Buffer, name: string): Buffer | undefined;
  /** Sets an attribute. False where the file system has none of its kind. setxattr(2). */
  setXattr(target: number | Buffer, name: string, value: Buffer): boolean;
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
const ERANGE = 34;
const ENODATA = 61;
const EOPNOTSUPP = 95;
/** Bytes of all names of one file, and of one value: linux/limits.h, XATTR_LIST_MAX, XATTR_SIZE_MAX. */
const XATTR_MAX = 65_536;
/** Most files have no attribute, or one of a security module: the kernel clears as much memory as it is asked to fill. */
const FEW_NAMES = 256;

/** The calls through a loaded C library. */
export function fileCalls(libc: ForeignLibrary, errno: () => number): FileCalls {
  const utimensat = libc.func("int utimensat(int folder, const uint8_t *path, const uint8_t *times, int flags)");
  const futimens = libc.func("int futimens(int fd, const uint8_t *times)");
  const lseek = libc.func("long lseek(int fd, long offset, int whence)");
  const linkat = libc.func(
    "int linkat(int folder, const uint8_t *path, int toFolder, const uint8_t *toPath, int flags)",
  );
  const flistxattr = libc.func("long flistxattr(int fd, uint8_t *names, size_t size)");
  const llistxattr = libc.func("long llistxattr(const uint8_t *path, uint8_t *names, size_t size)");
  const fgetxattr = libc.func("long fgetxattr(int fd, const uint8_t *name, uint8_t *value, size_t size)");
  const lgetxattr = libc.func("long lgetxattr(const uint8_t *path, const uint8_t *name, uint8_t *value, size_t size)");
  const fsetxattr = libc.func(
    "int fsetxattr(int fd, const uint8_t *name, const uint8_t *value, size_t size, int flags)",
  );
  const lsetxattr = libc.func(
    "int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)",
  );
  const times = Buffer.alloc(32);
  const attributes = Buffer.alloc(XATTR_MAX);
  const list = (target: number | Buffer, size: number) =>
    typeof target === "number"
      ? flistxattr(target, attributes, size)
      : llistxattr(terminated(target), attributes, size);
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
    xattrNames(target) {
      let length = list(target, FEW_NAMES);
      if (length < 0 && errno() === ERANGE) length = list(target, XATTR_MAX);
      if (length < 0 && errno() === EOPNOTSUPP) return [];
      if (length < 0) throw failure("listxattr", errno());
      return length === 0 ? [] : attributes.toString("latin1", 0, length - 1).split("\0");
    },
    xattr(target, name) {
      const bytes = terminated(Buffer.from(name, "latin1"));
      const length =
        typeof target === "number"
          ? fgetxattr(target, bytes, attributes, XATTR_MAX)
          : lgetxattr(terminated(target), bytes, attributes, XATTR_MAX);
      if (length >= 0) return Buffer.from(attributes.subarray(0, length));
      if (errno() === ENODATA) return undefined;
      throw failure("getxattr", errno());
    },
    setXattr(target, name, value) {
      const bytes = terminated(Buffer.from(name, "latin1"));
      const result =
        typeof target === "number"
          ? fsetxattr(target, bytes, value, value.length, 0)
          : lsetxattr(terminated(target), bytes, value, value.length, 0);
      if (result === 0) return true;
      if (errno() === EOPNOTSUPP) return false;
      throw failure("setxattr", errno());
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
