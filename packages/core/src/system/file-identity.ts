import { check, NUMBER, native } from "./syscall.ts";

/**
 * Runs `make` with the file system identity `uid` and `gid`: the files that it creates belong to them, but the process
 * keeps all its rights over files. Only this thread changes, so `make` must be synchronous. setfsuid(2), capset(2).
 * Needs root.
 */
export function withFileIdentity<T>(uid: number, gid: number, make: () => T): T {
  const { syscall } = native();
  const set = (name: "setfsuid" | "setfsgid", id: number) => {
    // Both return the previous id and do not report a failure: a call with -1 returns the current id.
    syscall(NUMBER[name], "uint", id);
    if (syscall(NUMBER[name], "uint", 0xffffffff) !== id) throw new Error(`${name} ${id}: not permitted`);
  };
  const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
  const header = Buffer.alloc(8);
  header.writeUInt32LE(LINUX_CAPABILITY_VERSION_3, 0);
  const capabilities = Buffer.alloc(24);
  check("capget", syscall(NUMBER.capget, "uint8_t *", header, "_Out_ uint8_t *", capabilities));
  const before = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  try {
    set("setfsgid", gid);
    set("setfsuid", uid);
    // The change from uid 0 dropped the capabilities for files (capabilities(7)).
    check("capset", syscall(NUMBER.capset, "uint8_t *", header, "uint8_t *", capabilities));
    return make();
  } finally {
    set("setfsuid", before.uid);
    set("setfsgid", before.gid);
  }
}
