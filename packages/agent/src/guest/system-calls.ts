import type { Buffer } from "node:buffer";
import { closeSync } from "node:fs";
import type { Extent, FileCalls } from "@pileus/core/files";
import { loadNative, type Native } from "./native.ts";

/** The credentials that a program gets. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** The supplementary groups, including `gid`. */
  readonly groups: readonly number[];
}

const O_CLOEXEC = 0o2000000;
// asm/unistd.h
const X64 = process.arch === "x64";
const SETGROUPS = X64 ? 116 : 159;
const SETRESUID = X64 ? 117 : 147;
const SETRESGID = X64 ? 119 : 149;

/** System calls that Node does not offer, through koffi's native module. */
export class SystemCalls implements FileCalls {
  readonly #path: string;
  #native: Native | undefined;

  /** `path`: the path of `koffi.node`, which is loaded on first use. */
  constructor(path: string) {
    this.#path = path;
  }

  get native(): Native {
    this.#native ??= loadNative(this.#path);
    return this.#native;
  }

  setTime(target: number | Buffer, time: bigint): void {
    this.native.files.setTime(target, time);
  }

  nextData(fd: number, from: number): Extent | undefined {
    return this.native.files.nextData(fd, from);
  }

  giveName(fd: number, path: Buffer): boolean {
    return this.native.files.giveName(fd, path);
  }

  xattrNames(target: number | Buffer): readonly string[] {
    return this.native.files.xattrNames(target);
  }

  xattr(target: number | Buffer, name: string): Buffer | undefined {
    return this.native.files.xattr(target, name);
  }

  setXattr(target: number | Buffer, name: string, value: Buffer): boolean {
    return this.native.files.setXattr(target, name, value);
  }

  /** pipe2(2), close-on-exec. */
  pipe(): { readonly read: number; readonly write: number } {
    const fds = [-1, -1];
    if (this.native.pipe2(fds, O_CLOEXEC) !== 0) throw new Error("cannot make a pipe: too many files are open");
    return { read: fds[0] as number, write: fds[1] as number };
  }

  /**
   * Makes the folder that `descriptor` has open the root and the working directory of this process, on all its threads
   * (chroot(2), fchdir(2)). Closes the descriptor.
   */
  enterRoot(descriptor: number): void {
    const entered = this.native.fchdir(descriptor) === 0 && this.native.chroot(".") === 0;
    closeSync(descriptor);
    if (!entered) throw new Error(`descriptor ${descriptor} cannot become the root`);
    // Node caches the working directory, and only its own call updates the cache.
    process.chdir("/");
  }

  /**
   * Gives this process, on all its threads, the groups of root alone (setgroups(3)). Node's own call refuses that where
   * its libuv may use io_uring, as Debian's does.
   */
  leaveGroups(): void {
    this.#check(this.native.setgroups(1, Uint32Array.of(0)));
  }

  /** clock_settime(2): sets the clock of the whole system, in milliseconds since 1970. */
  setClock(time: number): void {
    const CLOCK_REALTIME = 0;
    const timespec = BigInt64Array.of(BigInt(Math.floor(time / 1000)), BigInt(Math.floor(time % 1000) * 1_000_000));
    if (this.native.clock_settime(CLOCK_REALTIME, timespec) !== 0) throw new Error("cannot set the clock");
  }

  /**
   * Calls `act`, which looks at files or forks, with the credentials of a user: neither Node nor libuv can give a
   * program supplementary groups. The credentials apply only to this thread, and only during the call. The saved ids
   * stay root's, so that the call can switch back; an exec overwrites them (credentials(7)). A program ends up with
   * none of the agent's capabilities.
   */
  as<T>(user: Credentials, act: () => T): T {
    if (process.getuid?.() !== 0) {
      if (user.uid === process.getuid?.() && user.gid === process.getgid?.()) return act();
      throw new Error("the agent does not run as root: it cannot start programs as other users");
    }
    if (user.uid === 0 && user.gid === 0 && user.groups.every((gid) => gid === 0)) return act();
    try {
      this.#setGroups(user.groups);
      this.#set(SETRESGID, user.gid, 0);
      this.#set(SETRESUID, user.uid, 0);
      return act();
    } finally {
      this.#set(SETRESUID, 0, 0);
      this.#set(SETRESGID, 0, 0);
      this.#setGroups([0]);
    }
  }

  #set(call: number, id: number, saved: number): void {
    this.#check(this.native.syscall(call, "uint", id, "uint", id, "uint", saved));
  }

  #setGroups(groups: readonly number[]): void {
    const list = Uint32Array.from(groups);
    this.#check(this.native.syscall(SETGROUPS, "size_t", list.length, "uint32_t *", list));
  }

  #check(result: number): void {
    if (result !== 0) throw new Error("cannot set the credentials of a program");
  }
}
