import { type FileCalls, fileCalls } from "@pileus/core/files";

/** The part of koffi's native module that is used here. */
interface Ffi {
  load(library: null): { func(declaration: string): NativeCall };
  errno(): number;
  address(buffer: Uint8Array): bigint;
}

export type NativeCall = (...args: unknown[]) => number;

const DECLARATIONS = {
  pipe2: "int pipe2(_Out_ int *fds, int flags)",
  ioctl: "int ioctl(int fd, ulong request, ...)",
  syscall: "long syscall(long number, ...)",
  prlimit: "int prlimit(int pid, int resource, const void *wanted, void *present)",
  setgroups: "int setgroups(size_t count, const uint32_t *groups)",
  fchdir: "int fchdir(int fd)",
  chroot: "int chroot(str path)",
  clock_settime: "int clock_settime(int clock, const void *time)",
  waitid: "int waitid(int type, uint id, void *info, int options)",
  posix_spawn:
    "int posix_spawn(_Out_ int *pid, str file, const void *actions, const void *attributes, const void *argv, const void *envp)",
  posix_spawnattr_init: "int posix_spawnattr_init(void *attributes)",
  posix_spawnattr_destroy: "int posix_spawnattr_destroy(void *attributes)",
  posix_spawnattr_setflags: "int posix_spawnattr_setflags(void *attributes, short flags)",
  posix_spawnattr_setsigdefault: "int posix_spawnattr_setsigdefault(void *attributes, const void *set)",
  posix_spawnattr_setsigmask: "int posix_spawnattr_setsigmask(void *attributes, const void *set)",
  posix_spawn_file_actions_init: "int posix_spawn_file_actions_init(void *actions)",
  posix_spawn_file_actions_destroy: "int posix_spawn_file_actions_destroy(void *actions)",
  posix_spawn_file_actions_addopen:
    "int posix_spawn_file_actions_addopen(void *actions, int fd, str path, int flags, uint mode)",
  posix_spawn_file_actions_adddup2: "int posix_spawn_file_actions_adddup2(void *actions, int from, int to)",
  posix_spawn_file_actions_addchdir_np: "int posix_spawn_file_actions_addchdir_np(void *actions, str path)",
} as const;

/** The functions of the C library, and the address of a buffer. */
export interface Native extends Readonly<Record<keyof typeof DECLARATIONS, NativeCall>> {
  readonly address: (buffer: Uint8Array) => bigint;
  readonly files: FileCalls;
}

/** Loads the C library through koffi's native module at `path`: koffi's JavaScript is not on the drive. */
export function loadNative(path: string): Native {
  const module = { exports: {} as Ffi };
  process.dlopen(module, path);
  const ffi = module.exports;
  const libc = ffi.load(null);
  const calls = Object.fromEntries(Object.entries(DECLARATIONS).map(([name, text]) => [name, libc.func(text)]));
  return {
    ...(calls as Record<keyof typeof DECLARATIONS, NativeCall>),
    address: (buffer) => ffi.address(buffer),
    files: fileCalls(libc, () => ffi.errno()),
  };
}
