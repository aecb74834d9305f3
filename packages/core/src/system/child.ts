import { closeSync } from "node:fs";
import { posixSpawn, reapChild } from "../processes/posix-spawn.ts";
import type { ExitStatus, SignalName } from "../terms/state.ts";
import { ChildWatcher } from "./child-watcher.ts";
import { findTool } from "./find-tool.ts";
import { check, native, nativeSpawnCalls, systemErrorOf } from "./syscall.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** Options of {@link startChild}. */
export interface ChildOptions {
  /** The whole environment, whose `PATH` finds the program. Default: `PATH` and the `C.UTF-8` locale alone. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: `/`. */
  readonly cwd?: string | undefined;
  /**
   * Its descriptors 0, 1, 2 and so on: open descriptors of this process, or `ignore` for /dev/null. It inherits no others.
   * Default: `/dev/null` three times.
   */
  readonly descriptors?: readonly ("ignore" | number)[] | undefined;
  /**
   * Whether it leads a session of its own, so that a ^C at our terminal does not reach it. Default false.
   */
  readonly session?: boolean | undefined;
}

/** A program of the host that this process has started. */
export interface Child {
  readonly pid: number;
  /**
   * How it ended. Rejects with a system error if somebody else took its status, which Node does not, or if this process
   * had no way to wait for it.
   */
  readonly exit: Promise<ExitStatus>;
  /** Whether {@link exit} has settled, or is about to. */
  readonly hasEnded: boolean;
  /** Sends a signal, unless it has ended: then returns false. */
  kill(signal: NodeJS.Signals): boolean;
  /** From now on it does not keep this process alive. */
  unref(): void;
}

/** One for each thread, because a worker has an event loop of its own. */
let watcher: ChildWatcher | undefined;

/**
 * Starts a program, without a shell. It takes a millisecond or less, however large this process is: see
 * docs/design/0016-spawner.md. Works in worker threads. The program outlives this process, unless it decides otherwise.
 *
 * @throws {SystemError} if it cannot be started: ENOENT if it does not exist.
 */
export function startChild(argv: readonly string[], options: ChildOptions = {}): Child {
  const { env = TOOL_ENV, cwd = "/", descriptors = ["ignore", "ignore", "ignore"], session = false } = options;
  const [tool = ""] = argv;
  for (const text of [cwd, ...argv, ...Object.entries(env).flat()])
    if (text.includes("\0"))
      throw new TypeError(`cannot run ${JSON.stringify(tool)}: a NUL in ${JSON.stringify(text)}`);
  const file = tool.includes("/") ? tool : findTool(tool, env["PATH"]);
  if (file === undefined) throw Object.assign(new Error(`spawn ${tool}: ENOENT`), { code: "ENOENT", syscall: "spawn" });
  watcher ??= new ChildWatcher();
  watcher.prepare();
  using streams = aboveTheirPlaces(descriptors);
  const started = posixSpawn(nativeSpawnCalls(), { file, argv, env, cwd, streams: streams.list, session });
  if ("errno" in started) throw systemErrorOf(`spawn ${tool}`, started.errno);
  return new StartedChild(started.pid, watcher);
}

class StartedChild implements Child {
  readonly pid: number;
  readonly exit: Promise<ExitStatus>;
  readonly #watcher: ChildWatcher;
  #hasEnded = false;

  constructor(pid: number, watcher: ChildWatcher) {
    this.pid = pid;
    this.#watcher = watcher;
    this.exit = watcher.untilEnd(pid).then(() => {
      this.#hasEnded = true;
      const status = reapChild(nativeSpawnCalls(), pid);
      if (typeof status !== "string") return status;
      throw systemErrorOf(`waitid ${pid}`, ECHILD);
    });
    this.exit.catch(() => undefined);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  kill(signal: NodeJS.Signals): boolean {
    // It has its number until it is reaped.
    if (!this.#hasEnded) process.kill(this.pid, signal);
    return !this.#hasEnded;
  }

  unref(): void {
    this.#watcher.letGo(this.pid);
  }
}

/** How a program ended, as the facts of a `CommandError`. */
export function commandEnd(exit: ExitStatus): { readonly exitCode?: number; readonly signal?: SignalName } {
  return exit.kind === "exited" ? { exitCode: exit.code } : { signal: exit.signal };
}

const ECHILD = 10;

/**
 * The same descriptors, in a list that may be put in their places one after the other: a descriptor whose number is the
 * place of an earlier one is duplicated behind all places. The duplicates are closed at the end. fcntl(2).
 */
function aboveTheirPlaces(descriptors: readonly ("ignore" | number)[]): { list: ("ignore" | number)[] } & Disposable {
  const F_DUPFD_CLOEXEC = 1030;
  const duplicates: number[] = [];
  const close = () => {
    for (const fd of duplicates) closeSync(fd);
  };
  try {
    const list = descriptors.map((fd, place) => {
      if (fd === "ignore" || fd >= place) return fd;
      const duplicate = check("fcntl", native().fcntl(fd, F_DUPFD_CLOEXEC, descriptors.length));
      duplicates.push(duplicate);
      return duplicate;
    });
    return { list, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}
