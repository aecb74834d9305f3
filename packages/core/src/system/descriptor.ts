import { closeSync, fchmodSync, writeSync } from "node:fs";
import { check, NUMBER, native } from "./syscall.ts";

/**
 * pipe2(2), close-on-exec. Unlike with the sockets that `node:child_process` calls pipes, a program can open its end as
 * /dev/stdout.
 */
export function pipe(): { readonly read: number; readonly write: number } {
  const O_CLOEXEC = 0o2000000;
  const fds = [0, 0];
  check("pipe2", native().pipe2(fds, O_CLOEXEC));
  return { read: fds[0] as number, write: fds[1] as number };
}

/**
 * Creates a file without a name that holds `content` and can never be changed. By default it can be executed, and only
 * root reads it. memfd_create(2), fcntl(2).
 */
export function sealedFile(name: string, content: Uint8Array, mode = 0o111): number {
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
    // Only root of the host can look into a process whose file the kernel cannot read for others: ptrace(2), /proc.
    fchmodSync(fd, mode);
    check("fcntl", native().fcntl(fd, F_ADD_SEALS, SEAL_SHRINK_GROW_WRITE_SEAL));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Frees the disk space of the first `length` bytes of a file. They then read as zeros; the size stays. fallocate(2).
 *
 * @throws {SystemError} EOPNOTSUPP when the file system does not support it.
 */
export function punchHole(fd: number, length: number): void {
  const FALLOC_FL_KEEP_SIZE = 1;
  const FALLOC_FL_PUNCH_HOLE = 2;
  check("fallocate", native().fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, length));
}
