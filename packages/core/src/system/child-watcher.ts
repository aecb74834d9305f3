import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { posixSpawn } from "../processes/posix-spawn.ts";
import { CHILD_WATCHER_BINARIES } from "./child-watcher-binary.ts";
import { sealedFile } from "./descriptor.ts";
import { socketPair } from "./descriptor-socket.ts";
import { check, nativeSpawnCalls, pidfdOpen, pollReadable, type SystemError, systemErrorOf } from "./syscall.ts";

interface Wait {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Whether it keeps this process alive. */
  held: boolean;
}

/**
 * Learns when children of this process end, by a small program beside it (helper/child-watcher.c). See
 * docs/design/0016-spawner.md. It starts the program when it needs it, and replaces it when somebody kills it. Where it
 * cannot run, each wait takes one of libuv's few threads.
 */
export class ChildWatcher {
  readonly #waits = new Map<number, Wait>();
  #socket: Socket | undefined;
  /** Whether it has ever answered: one that ends before that is not started again. */
  #works = false;
  #isUseless = CHILD_WATCHER_BINARIES[process.arch] === undefined;

  /** Makes sure that it runs. Call it before the child is started. @throws {SystemError} */
  prepare(): void {
    if (this.#socket !== undefined || this.#isUseless) return;
    const [ours, theirs] = socketPair();
    try {
      startWatcher(theirs);
    } catch (error) {
      closeSync(ours);
      // For example, the kernel runs no file without a name: vm.memfd_noexec of sysctl(8).
      if ((error as SystemError).code !== "EACCES") throw error;
      this.#isUseless = true;
      return;
    } finally {
      closeSync(theirs);
    }
    const socket = new Socket({ fd: ours, readable: true, writable: true });
    this.#socket = socket;
    this.#works = false;
    socket.unref();
    let unread = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      this.#works = true;
      unread = Buffer.concat([unread, bytes]);
      for (; unread.length >= 8; unread = unread.subarray(8))
        this.#answer(unread.readUInt32LE(0), unread.readUInt32LE(4));
    });
    // A broken connection is handled as its end.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#replace());
  }

  /**
   * Resolves when a child that {@link prepare} preceded has ended. It is not reaped yet.
   *
   * @throws {SystemError} when nothing can watch it, and no descriptor is left to wait for it.
   */
  untilEnd(pid: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waits.set(pid, { resolve, reject, held: true });
      this.#watch(pid);
      this.#hold();
    });
  }

  /** The wait for this child no longer keeps this process alive. */
  letGo(pid: number): void {
    const wait = this.#waits.get(pid);
    if (wait !== undefined) wait.held = false;
    this.#hold();
  }

  #watch(pid: number): void {
    if (this.#socket === undefined) {
      this.#poll(pid);
      return;
    }
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(pid);
    this.#socket.write(bytes);
  }

  #answer(pid: number, errno: number): void {
    // It has, for example, no descriptors left.
    if (errno !== 0) this.#poll(pid);
    else this.#take(pid)?.resolve();
  }

  #poll(pid: number): void {
    pollEnd(pid).then(
      () => this.#take(pid)?.resolve(),
      (error: unknown) => this.#take(pid)?.reject(error),
    );
  }

  #take(pid: number): Wait | undefined {
    const wait = this.#waits.get(pid);
    this.#waits.delete(pid);
    this.#hold();
    return wait;
  }

  #hold(): void {
    const holds = [...this.#waits.values()].some(({ held }) => held);
    if (holds) this.#socket?.ref();
    else this.#socket?.unref();
  }

  #replace(): void {
    this.#socket = undefined;
    if (!this.#works) this.#isUseless = true;
    if (this.#waits.size === 0) return;
    try {
      this.prepare();
    } catch {
      // Too few descriptors, for example: these children are waited for without it, and the next one tries again.
    }
    for (const pid of this.#waits.keys()) this.#watch(pid);
    this.#hold();
  }
}

/** Resolves when a child of this process has ended. */
async function pollEnd(pid: number): Promise<void> {
  const fd = pidfdOpen(pid);
  try {
    while (!(await pollReadable(fd, 1000)));
  } finally {
    closeSync(fd);
  }
}

/** Starts the program with this descriptor as its 3. @throws {SystemError} */
function startWatcher(control: number): void {
  const calls = nativeSpawnCalls();
  const binary = Buffer.from(CHILD_WATCHER_BINARIES[process.arch] ?? "", "base64");
  const program = sealedFile("pileus-watch", binary);
  try {
    const started = posixSpawn(calls, {
      file: `/proc/self/fd/${program}`,
      // ps(1) shows for whom it watches.
      argv: ["pileus-watch", String(process.pid)],
      env: {},
      cwd: "/",
      streams: ["ignore", "ignore", "ignore", control],
      session: false,
    });
    if ("errno" in started) throw systemErrorOf("posix_spawn", started.errno);
    // It has left a child of its own behind, which nobody has to reap. wait.h: P_PID, WEXITED.
    check("waitid", calls.waitid(1, started.pid, Buffer.alloc(128), 4));
  } finally {
    closeSync(program);
  }
}
