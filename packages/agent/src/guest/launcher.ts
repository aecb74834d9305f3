import type { ExitStatus } from "@pileus/core";
import { type NewProcess, posixSpawn, reapChild, type Spawned } from "@pileus/core/files";
import type { Native } from "./native.ts";
import { withDefaultOomScore } from "./oom-score.ts";
import type { Credentials, SystemCalls } from "./system-calls.ts";

/** A file to execute, and everything it gets. */
export interface Launch extends Omit<NewProcess, "session"> {
  readonly user: Credentials;
}

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
  start(launch: Launch, onExit: (status: ExitStatus) => void): Spawned {
    const { native } = this.#calls;
    if (!this.#listens) process.on("SIGCHLD", () => this.#reap());
    this.#listens = true;
    const launched = withLimit(native, () =>
      withDefaultOomScore(() => this.#calls.as(launch.user, () => posixSpawn(native, { ...launch, session: true }))),
    );
    if ("pid" in launched) this.#running.set(launched.pid, onExit);
    return launched;
  }

  // One SIGCHLD can stand for many ends, because equal signals do not queue.
  #reap(): void {
    for (const [pid, onExit] of [...this.#running]) {
      const status = reapChild(this.#calls.native, pid);
      if (status === "running") continue;
      this.#running.delete(pid);
      onExit(status === "lost" ? { kind: "exited", code: 255 } : status);
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
