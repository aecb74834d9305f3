import { closeSync, fchmodSync, rmSync, writeSync } from "node:fs";
import { check, NUMBER, native, type SystemError } from "./syscall.ts";

/**
 * pipe2(2), close-on-exec. Unlike the sockets that `node:child_process` calls pipes, a program can open its end by
 * /dev/stdout.
 */
export function pipe(): { readonly read: number; readonly write: number } {
  const O_CLOEXEC = 0o2000000;
  const fds = [0, 0];
  check("pipe2", native().pipe2(fds, O_CLOEXEC));
  return { read: fds[0] as number, write: fds[1] as number };
}

/**
 * A named pipe of ours. Replaces one that is there. mkfifo(3).
 *
 * @throws {SystemError}
 */
export function makeFifo(path: string, mode: number): void {
  rmSync(path, { force: true });
  check("mkfifo", native().mkfifo(path, mode));
}

/**
 * A file without a name that holds `content` and can be executed, but never changed again by anybody. memfd_create(2),
 * fcntl(2).
 */
export function sealedFile(name: string, content: Uint8Array): number {
  const MFD_CLOEXEC = 1;
  const MFD_ALLOW_SEALING = 2;
  const F_ADD_SEALS = 1033;
  const SEAL_SHRINK_GROW_WRITE_SEAL = 0x0f;
  const fd = check(
    "memfd_create",
    native().syscall(NUMBER.memfd_create, "str", name, "uint", MFD_CLOEXEC | MFD_ALLOW_SEALING),
  );
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at);
    fchmodSync(fd, 0o555);
    check("fcntl", native().fcntl(fd, F_ADD_SEALS, SEAL_SHRINK_GROW_WRITE_SEAL));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Gives back what the first `length` bytes of a file take on its disk: they are zeros from then on, and its size stays.
 * fallocate(2).
 *
 * @throws {SystemError} EOPNOTSUPP where the file system cannot.
 */
export function punchHole(fd: number, length: number): void {
  const FALLOC_FL_KEEP_SIZE = 1;
  const FALLOC_FL_PUNCH_HOLE = 2;
  check("fallocate", native().fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, length));
}

/**
 * Takes room on the disk for the first `length` bytes of a file, for what is written there later, by whomever; its size
 * stays. fallocate(2). A file system that cannot has no room taken.
 *
 * @throws {SystemError} ENOSPC, EDQUOT where there is not so much.
 */
export function reserveSpace(fd: number, length: number): void {
  const FALLOC_FL_KEEP_SIZE = 1;
  try {
    check("fallocate", native().fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, length));
  } catch (error) {
    if ((error as SystemError).code !== "EOPNOTSUPP") throw error;
  }
}
