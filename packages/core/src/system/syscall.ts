import { closeSync } from "node:fs";
import { constants } from "node:os";
import { type FileCalls, fileCalls } from "../files/file-calls.ts";
import { SPAWN_DECLARATIONS, type SpawnCalls } from "../processes/posix-spawn.ts";
import { ffi } from "./ffi.ts";

// System calls that Node does not offer. Each runs on the calling thread and returns at once, except pollReadable(). A
// failure is thrown as a Node-style error with `code` and `syscall`.

const X64 = process.arch === "x64";
/** The numbers of system calls without a C function, on x86-64 and arm64: asm/unistd.h. */
export const NUMBER = {
  openat2: 437,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  mount_setattr: 442,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  capget: X64 ? 125 : 90,
  capset: X64 ? 126 : 91,
  setfsuid: X64 ? 122 : 151,
  setfsgid: X64 ? 123 : 152,
  memfd_create: X64 ? 319 : 279,
  renameat2: X64 ? 316 : 276,
} as const;

type Native = (...args: unknown[]) => number;

function load() {
  const libc = ffi().load(null);
  return {
    flock: libc.func("int flock(int fd, int operation)") as Native,
    mount: libc.func("int mount(str source, str target, str type, ulong flags, str data)") as Native,
    umount2: libc.func("int umount2(str target, int flags)") as Native,
    lremovexattr: libc.func("int lremovexattr(uint8_t *path, str name)") as Native,
    lsetxattr: libc.func("int lsetxattr(str path, str name, uint8_t *value, size_t size, int flags)") as Native,
    socket: libc.func("int socket(int domain, int type, int protocol)") as Native,
    bind: libc.func("int bind(int fd, const uint8_t *address, uint length)") as Native,
    listen: libc.func("int listen(int fd, int backlog)") as Native,
    pipe2: libc.func("int pipe2(_Out_ int *fds, int flags)") as Native,
    socketpair: libc.func("int socketpair(int domain, int type, int protocol, _Out_ int *fds)") as Native,
    fcntl: libc.func("int fcntl(int fd, int command, ulong argument)") as Native,
    ioctl: libc.func("int ioctl(int fd, ulong request, uint8_t *argument)") as Native,
    fallocate: libc.func("int fallocate(int fd, int mode, long offset, long length)") as Native,
    clone: libc.func("int clone(void *program, void *stack, int flags, void *argument)") as Native,
    waitpid: libc.func("int waitpid(int pid, int *status, int options)") as Native,
    poll: libc.func("int poll(_Inout_ uint8_t *fds, ulong count, int timeout)") as Native & { readonly async: Native },
    syscall: libc.func("long syscall(long number, ...)") as Native,
  };
}

let loaded: ReturnType<typeof load> | undefined;
// Loaded on first use: importing the package must not need the native library.
/** The C library, for the files in this folder that hold the calls of one subject. */
export function native(): ReturnType<typeof load> {
  loaded ??= load();
  return loaded;
}

let fileCallsLoaded: FileCalls | undefined;
/** File calls for `files/`, which does not import the FFI. */
export function nativeFileCalls(): FileCalls {
  fileCallsLoaded ??= fileCalls(ffi().load(null), () => ffi().errno());
  return fileCallsLoaded;
}

let spawnCallsLoaded: SpawnCalls | undefined;
/** The calls that start processes, for `processes/`, which does not import the FFI. */
export function nativeSpawnCalls(): SpawnCalls {
  if (spawnCallsLoaded !== undefined) return spawnCallsLoaded;
  const libc = ffi().load(null);
  const calls = Object.entries(SPAWN_DECLARATIONS).map(([name, text]) => [name, libc.func(text)]);
  const address = (buffer: Uint8Array) => ffi().address(buffer);
  spawnCallsLoaded = { ...Object.fromEntries(calls), address } as SpawnCalls;
  return spawnCallsLoaded;
}

/** An error of a system call, in the form of `node:fs`. */
export interface SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

/** @throws {SystemError} when the result is an error; else returns it. */
export function check(name: string, result: number): number {
  if (result >= 0) return result;
  throw systemErrorOf(name, ffi().errno());
}

/** The error of a system call that failed with this errno. */
export function systemErrorOf(name: string, errno: number): SystemError {
  const code = Object.entries(ffi().os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${name}: ${code}`), { code, errno, syscall: name });
}

/** Exchanges the names of two files, in one step and without an inode or a block: renameat2(2), RENAME_EXCHANGE. */
export function exchangeNames(one: string, other: string): void {
  const [AT_FDCWD, RENAME_EXCHANGE] = [-100, 2];
  const to = ["int", AT_FDCWD, "str", other, "uint", RENAME_EXCHANGE];
  check("renameat2", native().syscall(NUMBER.renameat2, "int", AT_FDCWD, "str", one, ...to));
}

/** The same, but `undefined` for one expected error: an exception costs more than the call. */
export function checkUnless(name: string, result: number, expected: number): number | undefined {
  return result < 0 && ffi().errno() === expected ? undefined : check(name, result);
}

/**
 * Takes the lock of an open file without waiting, until the file is closed. False when another open file holds the
 * lock. flock(2).
 */
export function flock(fd: number, mode: "exclusive" | "shared"): boolean {
  const LOCK_NB = 4;
  const code = { shared: 1, exclusive: 2 }[mode];
  try {
    check("flock", native().flock(fd, code | LOCK_NB));
    return true;
  } catch (error) {
    if ((error as SystemError).code === "EAGAIN" || (error as SystemError).code === "EWOULDBLOCK") return false;
    throw error;
  }
}

/** mount(2). `data` is the option string of the file system: build it with one function that escapes. */
export function mount(source: string, target: string, type: string, flags: number, data: string): void {
  check("mount", native().mount(source, target, type, flags, data));
}

/** umount2(2); `lazy` detaches a busy mount (MNT_DETACH). Never follows a symlink. */
export function umount(target: string, options: { readonly lazy?: boolean } = {}): void {
  const MNT_DETACH = 2;
  const UMOUNT_NOFOLLOW = 8;
  check("umount2", native().umount2(target, (options.lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW));
}

/** lremovexattr(2): does not follow a symlink. The path is bytes, as file names are. */
export function lremovexattr(path: Uint8Array, name: string): void {
  check("lremovexattr", native().lremovexattr(Buffer.concat([path, Buffer.alloc(1)]), name));
}

/** lsetxattr(2): does not follow a symlink. */
export function lsetxattr(path: string, name: string, value: Uint8Array): void {
  check("lsetxattr", native().lsetxattr(path, name, Buffer.from(value), value.length, 0));
}

/**
 * pidfd_open(2): a descriptor of one process, even if another process gets its pid later. Close-on-exec. ESRCH when
 * there is no such process.
 */
export function pidfdOpen(pid: number): number {
  return check("pidfd_open", native().syscall(NUMBER.pidfd_open, "int", pid, "uint", 0));
}

/** pidfd_send_signal(2). ESRCH when the process has ended. */
export function pidfdSendSignal(pidfd: number, signal: NodeJS.Signals | number): void {
  const number = typeof signal === "number" ? signal : constants.signals[signal];
  check(
    "pidfd_send_signal",
    native().syscall(NUMBER.pidfd_send_signal, "int", pidfd, "int", number, "void *", null, "uint", 0),
  );
}

/**
 * poll(2) for reading, off the main thread: it holds one of libuv's few workers until then, so keep `timeout`
 * (milliseconds) short. False when the time is up first.
 */
export async function pollReadable(fd: number, timeout: number): Promise<boolean> {
  const end = performance.now() + timeout;
  for (let left = timeout; left >= 0; left = end - performance.now()) {
    const ready = await poll(fd, left);
    if (ready >= 0) return ready > 0;
    // EINTR: while Node starts a child, its main thread blocks signals, and a worker thread gets the SIGCHLD.
  }
  return false;
}

async function poll(fd: number, timeout: number): Promise<number> {
  const POLLIN = 1;
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(fd, 0);
  pollfd.writeInt16LE(POLLIN, 4);
  return new Promise((resolve, reject) => {
    native().poll.async(pollfd, 1, Math.ceil(timeout), (error: Error | null, ready: number) => {
      if (error !== null) reject(error);
      else resolve(ready);
    });
  });
}

/**
 * How many connections wait until they are accepted, at most: listen(2) has no greater limit by default. A connect beyond it
 * fails at once.
 */
const BACKLOG = 4096;

/**
 * A listening unix stream socket, bound to a name of at most 107 bytes (unix(7)), which must not exist. Close-on-exec.
 * Unlike that of a `node:net` server, its file stays when the descriptor is closed: it can be handed to another
 * program.
 */
export function listenUnixSocket(path: string): number {
  const AF_UNIX = 1;
  const SOCK_STREAM = 1;
  const SOCK_CLOEXEC = 0o2000000;
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  const fd = check("socket", native().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  try {
    check("bind", native().bind(fd, address, address.length));
    check("listen", native().listen(fd, BACKLOG));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
