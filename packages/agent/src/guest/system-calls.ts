/** koffi's native half: what of it is needed here. */
interface Ffi {
  load(library: null): { func(declaration: string): (...args: unknown[]) => number };
}

interface Functions {
  readonly pipe2: (...args: unknown[]) => number;
  readonly ioctl: (...args: unknown[]) => number;
}

const O_CLOEXEC = 0o2000000;
// asm-generic/ioctls.h; the same on x86-64 and arm64.
const FIOCLEX = 0x5451;

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
  };
}
