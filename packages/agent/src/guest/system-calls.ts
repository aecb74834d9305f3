/** koffi's native half: what of it is needed here. */
interface Ffi {
  load(library: null): { func(declaration: string): (...args: unknown[]) => number };
}

interface Functions {
  readonly pipe2: (...args: unknown[]) => number;
  readonly ioctl: (...args: unknown[]) => number;
  readonly syscall: (...args: unknown[]) => number;
}

/** What a program's credentials are to be. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups beside `gid`. */
  readonly groups: readonly number[];
}

const O_CLOEXEC = 0o2000000;
// asm-generic/ioctls.h; the same on x86-64 and arm64.
const FIOCLEX = 0x5451;
// asm/unistd.h
const X64 = process.arch === "x64";
const SETGROUPS = X64 ? 116 : 159;
const SETRESUID = X64 ? 117 : 147;
const SETRESGID = X64 ? 119 : 149;

/** System calls that Node does not offer, by koffi's native module. */
export class SystemCalls {
  readonly #path: string;
  #functions: Functions | undefined;

  /** `path`: of `koffi.node`. Loaded on first use. */
  constructor(path: string) {
    this.#path = path;
  }

  /** pipe2(2), close-on-exec. */
  pipe(): { readonly read: number; readonly write: number } {
    const fds = [-1, -1];
    if (this.#native.pipe2(fds, O_CLOEXEC) !== 0) throw new Error("no pipe can be made: too many files are open");
    return { read: fds[0] as number, write: fds[1] as number };
  }

  /** Keeps a descriptor from programs that are started from now on. */
  closeOnExec(fd: number): void {
    if (this.#native.ioctl(fd, FIOCLEX) !== 0) throw new Error(`descriptor ${fd} cannot be kept from programs`);
  }

  /**
   * Calls `start`, which forks, with the credentials that the new program is to have: neither Node nor libuv leaves it its
   * supplementary groups. They are this thread's alone, and only for the call; the saved ids stay root's, for the way back, and an exec
   * overwrites them (credentials(7)). The program ends up with none of our capabilities.
   */
  as<T>(user: Credentials, start: () => T): T {
    if (process.getuid?.() !== 0) {
      if (user.uid === process.getuid?.() && user.gid === process.getgid?.()) return start();
      throw new Error("the agent does not run as root: it cannot start programs as others");
    }
    if (user.uid === 0 && user.gid === 0 && user.groups.length === 0) return start();
    try {
      // As initgroups(3): the primary group among them.
      this.#setGroups([user.gid, ...user.groups]);
      this.#set(SETRESGID, user.gid, 0);
      this.#set(SETRESUID, user.uid, 0);
      return start();
    } finally {
      this.#set(SETRESUID, 0, 0);
      this.#set(SETRESGID, 0, 0);
      this.#setGroups([]);
    }
  }

  #set(call: number, id: number, saved: number): void {
    this.#check(this.#native.syscall(call, "uint", id, "uint", id, "uint", saved));
  }

  #setGroups(groups: readonly number[]): void {
    const list = Uint32Array.from(groups);
    this.#check(this.#native.syscall(SETGROUPS, "size_t", list.length, "uint32_t *", list));
  }

  #check(result: number): void {
    if (result !== 0) throw new Error("the credentials of a program cannot be set");
  }

  get #native(): Functions {
    this.#functions ??= load(this.#path);
    return this.#functions;
  }
}

function load(path: string): Functions {
  const module = { exports: {} as Ffi };
  process.dlopen(module, path);
  const libc = module.exports.load(null);
  return {
    pipe2: libc.func("int pipe2(_Out_ int *fds, int flags)"),
    ioctl: libc.func("int ioctl(int fd, ulong request, ...)"),
    syscall: libc.func("long syscall(long number, ...)"),
  };
}
