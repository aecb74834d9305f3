import { constants } from "node:os";
import { check, checkUnless, NUMBER, native } from "./syscall.ts";

/** Flags of openat2(2)'s `resolve`. */
export const RESOLVE = { NO_XDEV: 0x01, NO_MAGICLINKS: 0x02, IN_ROOT: 0x10 } as const;

const O_CLOEXEC = 0o2000000;

/** openat2(2). `path` is bytes; `flags` and `mode` are those of open(2). Always close-on-exec. */
export function openat2(directory: number, path: Uint8Array, flags: number, mode: number, resolve: number): number {
  return check("openat2", call(directory, path, flags, mode, resolve));
}

/** The same, but `undefined` for ENOENT: an exception costs more than the call, and most new names do not exist. */
export function openat2IfThere(...args: Parameters<typeof openat2>): number | undefined {
  return checkUnless("openat2", call(...args), constants.errno.ENOENT);
}

function call(directory: number, path: Uint8Array, flags: number, mode: number, resolve: number): number {
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const { syscall } = native();
  return syscall(NUMBER.openat2, "int", directory, "uint8_t *", terminated, "uint8_t *", how, "size_t", how.length);
}
