import { type FileCalls, fileCalls, SPAWN_DECLARATIONS, type SpawnCalls } from "@pileus/core/files";

/** The part of koffi's native module that is used here. */
interface Ffi {
  load(library: null): { func(declaration: string): NativeCall };
  errno(): number;
  address(buffer: Uint8Array): bigint;
}

export type NativeCall = (...args: unknown[]) => number;

/** The same call on a thread of Node's pool; the last argument is called with an error or the result. */
type AsyncCall = NativeCall & { readonly async: (...args: unknown[]) => void };

const DECLARATIONS = {
  pipe2: "int pipe2(_Out_ int *fds, int flags)",
  ioctl: "int ioctl(int fd, ulong request, ...)",
  syscall: "long syscall(long number, ...)",
  prlimit: "int prlimit(int pid, int resource, const void *wanted, void *present)",
  setgroups: "int setgroups(size_t count, const uint32_t *groups)",
  fchdir: "int fchdir(int fd)",
  chroot: "int chroot(str path)",
  clock_settime: "int clock_settime(int clock, const void *time)",
  read: "long read(int fd, void *buffer, size_t size)",
  write: "long write(int fd, const void *buffer, size_t size)",
  poll: "int poll(void *descriptors, ulong count, int timeout)",
  socket: "int socket(int family, int type, int protocol)",
  bind: "int bind(int fd, const void *address, uint size)",
  epoll_create1: "int epoll_create1(int flags)",
  epoll_ctl: "int epoll_ctl(int epoll, int operation, int fd, const void *event)",
  ...SPAWN_DECLARATIONS,
} as const;

/** The functions of the C library, and the address of a buffer. */
export interface Native extends Readonly<Record<keyof typeof DECLARATIONS, NativeCall>>, SpawnCalls {
  readonly files: FileCalls;
  /** The error number of the last call that failed. */
  errno(): number;
  /** epoll_wait(2) without a limit of time, on a thread of Node's pool. `done` gets its result. */
  epollWait(epoll: number, events: Uint8Array, size: number, done: (count: number) => void): void;
}

/** Loads the C library through koffi's native module at `path`: koffi's JavaScript is not on the drive. */
export function loadNative(path: string): Native {
  const module = { exports: {} as Ffi };
  process.dlopen(module, path);
  const ffi = module.exports;
  const libc = ffi.load(null);
  const calls = Object.fromEntries(Object.entries(DECLARATIONS).map(([name, text]) => [name, libc.func(text)]));
  const epollWait = libc.func("int epoll_wait(int epoll, void *events, int size, int timeout)") as AsyncCall;
  return {
    ...(calls as Record<keyof typeof DECLARATIONS, NativeCall>),
    address: (buffer) => ffi.address(buffer),
    files: fileCalls(libc, () => ffi.errno()),
    errno: () => ffi.errno(),
    epollWait: (epoll, events, size, done) =>
      epollWait.async(epoll, events, size, -1, (_: unknown, count: number) => done(count)),
  };
}
