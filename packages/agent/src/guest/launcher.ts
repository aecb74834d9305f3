import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import type { ExitStatus } from "@pileus/core";
import { signalName } from "@pileus/core/files";
import type { Native } from "./native.ts";
import { withDefaultOomScore } from "./oom-score.ts";
import type { Credentials, SystemCalls } from "./system-calls.ts";

/** A file to execute, and everything it gets. */
export interface Launch {
  /** A relative path is resolved from `cwd`. */
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: Credentials;
  /** Its standard streams: descriptors of the agent, or a terminal that becomes its controlling terminal. */
  readonly streams: readonly [number, number, number] | { readonly terminal: string };
}

/** The pid of the running program, or the errno of the failure. */
export type Launched = { readonly pid: number } | { readonly errno: number };

// spawn.h; the same numbers with glibc and musl.
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
/** More than any C library's posix_spawnattr_t (336 bytes with glibc) or posix_spawn_file_actions_t has. */
const OPAQUE = 1024;
const SIGNAL_SET = 128;

// wait.h, siginfo.h
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const CLD_EXITED = 1;

const RLIMIT_NOFILE = 7;
/**
 * The soft limit that Linux gives to init (INR_OPEN_CUR) and systemd to its services. Node raises its own to the hard
 * limit.
 */
const SOFT_NOFILE = 1024n;

/**
 * Starts programs by posix_spawn(3) and learns their ends by waitid(2). `node:child_process` does not serve for either:
 * it reports an end by a real-time signal as an exit with 0, and hides why a program did not start.
 */
export class Launcher {
  readonly #calls: SystemCalls;
  readonly #running = new Map<number, (status: ExitStatus) => void>();
  #listens = false;

  constructor(calls: SystemCalls) {
    this.#calls = calls;
  }

  /** Starts a program as the leader of a new session. `onExit` is called once, after this has returned. */
  start(launch: Launch, onExit: (status: ExitStatus) => void): Launched {
    const { native } = this.#calls;
    if (!this.#listens) process.on("SIGCHLD", () => this.#reap());
    this.#listens = true;
    const launched = withLimit(native, () =>
      withDefaultOomScore(() => this.#calls.as(launch.user, () => spawn(native, launch))),
    );
    if ("pid" in launched) this.#running.set(launched.pid, onExit);
    return launched;
  }

  // One SIGCHLD can stand for many ends, because equal signals do not queue.
  #reap(): void {
    const info = Buffer.alloc(128);
    for (const [pid, onExit] of [...this.#running]) {
      info.fill(0);
      const failed = this.#calls.native.waitid(P_PID, pid, info, WEXITED | WNOHANG) !== 0;
      // siginfo_t of 64-bit Linux: si_code, si_pid, si_status. If no child has ended, si_pid is 0.
      const [code, found, status] = [info.readInt32LE(8), info.readInt32LE(16), info.readInt32LE(24)];
      if (!failed && found === 0) continue;
      this.#running.delete(pid);
      if (failed) onExit({ kind: "exited", code: 255 });
      else
        onExit(
          code === CLD_EXITED ? { kind: "exited", code: status } : { kind: "signaled", signal: signalName(status) },
        );
    }
  }
}

/**
 * Programs get the usual limit of open files. The limit of this process is lowered for the moment; files that are
 * already open stay open.
 */
function withLimit<T>(native: Native, act: () => T): T {
  const own = new BigUint64Array(2);
  native.prlimit(0, RLIMIT_NOFILE, null, own);
  const [soft = 0n, hard = 0n] = own;
  const usual = BigUint64Array.of(hard < SOFT_NOFILE ? hard : SOFT_NOFILE, hard);
  if (soft <= SOFT_NOFILE) return act();
  native.prlimit(0, RLIMIT_NOFILE, usual, null);
  try {
    return act();
  } finally {
    native.prlimit(0, RLIMIT_NOFILE, own, null);
  }
}

function spawn(native: Native, launch: Launch): Launched {
  const attributes = Buffer.alloc(OPAQUE);
  const actions = Buffer.alloc(OPAQUE);
  native.posix_spawnattr_init(attributes);
  native.posix_spawn_file_actions_init(actions);
  try {
    native.posix_spawnattr_setflags(attributes, SETSID | SETSIGDEF | SETSIGMASK);
    // Node ignores SIGPIPE, and an ignored signal stays ignored in a new program.
    native.posix_spawnattr_setsigdefault(attributes, Buffer.alloc(SIGNAL_SET, 0xff));
    native.posix_spawnattr_setsigmask(attributes, Buffer.alloc(SIGNAL_SET));
    addStreams(native, actions, launch.streams);
    native.posix_spawn_file_actions_addchdir_np(actions, launch.cwd);
    const argv = new StringList(native, launch.argv);
    const envp = new StringList(
      native,
      Object.entries(launch.env).map(([name, value]) => `${name}=${value}`),
    );
    const pid = [0];
    const errno = native.posix_spawn(pid, launch.file, actions, attributes, argv.pointers, envp.pointers);
    return errno === 0 ? { pid: pid[0] as number } : { errno };
  } finally {
    native.posix_spawn_file_actions_destroy(actions);
    native.posix_spawnattr_destroy(attributes);
  }
}

function addStreams(native: Native, actions: Buffer, streams: Launch["streams"]): void {
  if ("terminal" in streams) {
    // The first terminal that a session leader opens becomes its controlling terminal (tty_ioctl(4), TIOCSCTTY).
    native.posix_spawn_file_actions_addopen(actions, 0, streams.terminal, constants.O_RDWR, 0);
    for (const fd of [1, 2]) native.posix_spawn_file_actions_adddup2(actions, 0, fd);
    return;
  }
  streams.forEach((fd, index) => {
    native.posix_spawn_file_actions_adddup2(actions, fd, index);
  });
}

/**
 * A list of strings in C's form, in two buffers of our own: the FFI would copy up to two megabytes through its own
 * stack.
 */
class StringList {
  readonly pointers: BigUint64Array;
  /** Must be kept as long as the pointers are used. */
  readonly bytes: Buffer;

  constructor(native: Native, strings: readonly string[]) {
    this.bytes = Buffer.from(strings.map((text) => `${text}\0`).join(""));
    this.pointers = new BigUint64Array(strings.length + 1);
    let at = strings.length === 0 ? 0n : native.address(this.bytes);
    for (const [index, text] of strings.entries()) {
      this.pointers[index] = at;
      at += BigInt(Buffer.byteLength(text) + 1);
    }
  }
}
