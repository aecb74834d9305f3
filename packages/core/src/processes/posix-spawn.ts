import { constants } from "node:fs";
import { signalName } from "../files/signal-name.ts";
import type { ExitStatus } from "../terms/state.ts";

/** The functions of the C library that start a process, and learn its end. For koffi's `func()`. */
export const SPAWN_DECLARATIONS = {
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

/** The functions of {@link SPAWN_DECLARATIONS}, and the address of a buffer. */
export interface SpawnCalls extends Readonly<Record<keyof typeof SPAWN_DECLARATIONS, (...args: unknown[]) => number>> {
  /** Where a buffer lies in memory. */
  readonly address: (buffer: Uint8Array) => bigint;
}

/** A file to execute as a new process, and everything it gets. */
export interface NewProcess {
  /** Resolved from `cwd` if it is relative; no PATH is searched. */
  readonly file: string;
  /** Its arguments, with its name as the first. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Its working directory. */
  readonly cwd: string;
  /**
   * Its descriptors 0, 1, 2 and so on: descriptors of this process, or `ignore` for /dev/null; or a terminal for 0 to 2,
   * which becomes the controlling terminal of its session. One that stands for a lower number than its own place must
   * not be among those that are replaced before.
   */
  readonly streams: readonly ("ignore" | number)[] | { readonly terminal: string };
  /** Whether it leads a session of its own. */
  readonly session: boolean;
}

/** The pid of the new process, or the errno of the failure. */
export type Spawned = { readonly pid: number } | { readonly errno: number };

// spawn.h; the same numbers with glibc and musl.
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
/** More than any C library's posix_spawnattr_t (336 bytes with glibc) or posix_spawn_file_actions_t has. */
const OPAQUE = 1024;
const SIGNAL_SET = 128;

/**
 * Starts a process by posix_spawn(3). Returns when the file is being executed, or cannot be. Unlike fork(2), which
 * `node:child_process` uses, it copies no page tables: it takes the same time whatever the size of this process. All
 * signals have their default action in the new process, and none is blocked. The environment of the calling process does
 * not matter, and neither do its other descriptors if they are close-on-exec, as all of Node's are.
 */
export function posixSpawn(calls: SpawnCalls, { file, argv, env, cwd, streams, session }: NewProcess): Spawned {
  const attributes = Buffer.alloc(OPAQUE);
  const actions = Buffer.alloc(OPAQUE);
  calls.posix_spawnattr_init(attributes);
  calls.posix_spawn_file_actions_init(actions);
  try {
    calls.posix_spawnattr_setflags(attributes, SETSIGDEF | SETSIGMASK | (session ? SETSID : 0));
    // Node ignores SIGPIPE, and an ignored signal stays ignored in a new program.
    calls.posix_spawnattr_setsigdefault(attributes, Buffer.alloc(SIGNAL_SET, 0xff));
    calls.posix_spawnattr_setsigmask(attributes, Buffer.alloc(SIGNAL_SET));
    addStreams(calls, actions, streams);
    calls.posix_spawn_file_actions_addchdir_np(actions, cwd);
    const list = new StringList(calls, argv);
    const variables = new StringList(
      calls,
      Object.entries(env).map(([name, value]) => `${name}=${value}`),
    );
    const pid = [0];
    const errno = calls.posix_spawn(pid, file, actions, attributes, list.pointers, variables.pointers);
    return errno === 0 ? { pid: pid[0] as number } : { errno };
  } finally {
    calls.posix_spawn_file_actions_destroy(actions);
    calls.posix_spawnattr_destroy(attributes);
  }
}

function addStreams(calls: SpawnCalls, actions: Buffer, streams: NewProcess["streams"]): void {
  if ("terminal" in streams) {
    // The first terminal that a session leader opens becomes its controlling terminal (tty_ioctl(4), TIOCSCTTY).
    calls.posix_spawn_file_actions_addopen(actions, 0, streams.terminal, constants.O_RDWR, 0);
    for (const fd of [1, 2]) calls.posix_spawn_file_actions_adddup2(actions, 0, fd);
    return;
  }
  for (const [index, stream] of streams.entries()) {
    if (stream === "ignore") calls.posix_spawn_file_actions_addopen(actions, index, "/dev/null", constants.O_RDWR, 0);
    // To its own number, it only stops being close-on-exec.
    else calls.posix_spawn_file_actions_adddup2(actions, stream, index);
  }
}

/**
 * A list of strings in C's form, in two buffers of our own: the FFI would copy up to two megabytes through its own
 * stack.
 */
class StringList {
  readonly pointers: BigUint64Array;
  /** Must be kept as long as the pointers are used. */
  readonly bytes: Buffer;

  constructor(calls: SpawnCalls, strings: readonly string[]) {
    this.bytes = Buffer.from(strings.map((text) => `${text}\0`).join(""));
    this.pointers = new BigUint64Array(strings.length + 1);
    let at = strings.length === 0 ? 0n : calls.address(this.bytes);
    for (const [index, text] of strings.entries()) {
      this.pointers[index] = at;
      at += BigInt(Buffer.byteLength(text) + 1);
    }
  }
}

// wait.h, siginfo.h
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const CLD_EXITED = 1;

/**
 * How a child of this process ended, as the kernel tells it; its pid is then free. `running` if it has not ended; `lost`
 * if it is not a child, or somebody else has taken the status. waitid(2).
 */
export function reapChild(calls: SpawnCalls, pid: number): ExitStatus | "running" | "lost" {
  const info = Buffer.alloc(128);
  if (calls.waitid(P_PID, pid, info, WEXITED | WNOHANG) !== 0) return "lost";
  // siginfo_t of 64-bit Linux: si_code, si_pid, si_status. If no child has ended, si_pid is 0.
  const [code, found, status] = [info.readInt32LE(8), info.readInt32LE(16), info.readInt32LE(24)];
  if (found === 0) return "running";
  return code === CLD_EXITED ? { kind: "exited", code: status } : { kind: "signaled", signal: signalName(status) };
}
