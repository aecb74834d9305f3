import { closeSync, openSync } from "node:fs";
import { execa } from "execa";
import type { Abortable } from "../contract/abortable.ts";
import { CommandError, HostError } from "../contract/errors.ts";
import { type Bounds, bounded } from "./bounded.ts";
import { missingTool } from "./find-tool.ts";
import { hostFailure } from "./host-failure.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** Options of {@link spawn}. An abort ends the tool: SIGTERM, and SIGKILL a second later. */
export interface SpawnOptions extends Abortable {
  /** Default: `/`. */
  readonly cwd?: string | undefined;
  /** The whole environment; default: `PATH` and the `C.UTF-8` locale alone. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: nothing, `/dev/null`. */
  readonly stdin?: string | Uint8Array | undefined;
  /** Open descriptors of ours that the tool inherits, as its 3, 4 and so on. */
  readonly descriptors?: readonly number[] | undefined;
  /**
   * Ends the tool at once when this process dies, however it dies: for one that fills a folder which a crash has
   * removed. An abort then ends whatever it has started, too.
   */
  readonly diesWithUs?: boolean | undefined;
  /** For one that reads what a stranger made. */
  readonly bounds?: Bounds | undefined;
  /** The Debian package that has it, for the fix. */
  readonly fromPackage?: string | undefined;
  /** Exit codes that are no failure. Default: 0. */
  readonly allow?: readonly number[] | undefined;
}

/** What {@link spawn} is: for those who take it as an argument, so that their tests need no tool. */
export type Spawn = (
  argv: readonly string[],
  options?: SpawnOptions,
) => Promise<{ stdout: string; stderr: string; exitCode: number }>;

/**
 * What to run as a child of this process so that `argv` runs and gets SIGKILL when this process dies: prctl(2),
 * PR_SET_PDEATHSIG. If it has died before that was asked for, another is the parent by then, and `argv` does not run.
 */
export function dyingWithUs(argv: readonly string[]): [tool: string, ...args: string[]] {
  const orNotAtAll = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', String(process.pid)];
  return ["setpriv", "--pdeathsig=KILL", "--", ...orNotAtAll, ...argv];
}

/**
 * Runs a tool of the host to its end, never by a shell, and returns what it printed. One that prints more than 8 MiB is ended.
 *
 * @throws {CommandError} when a signal ended it, or its exit code is not one of `allow`: with argv, code and stderr.
 * @throws {HostError} when it is not on PATH, or cannot be started for want of descriptors.
 */
export const spawn: Spawn = async (argv, options = {}) => {
  const [tool] = argv;
  if (tool === undefined) throw new TypeError("spawn: empty argv");
  options.signal?.throwIfAborted();
  const command = options.bounds === undefined ? argv : bounded(argv, options.bounds);
  const [file = tool, ...rest] = options.diesWithUs ? dyingWithUs(command) : command;
  const wrapped = file !== tool;
  assertDescriptors(tool);
  const child = execa(file, rest, {
    cwd: options.cwd ?? "/",
    env: options.env ?? TOOL_ENV,
    extendEnv: false,
    // execa's types know descriptors up to 9 only; it passes on any.
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...((options.descriptors ?? []) as 3[])],
    ...(options.stdin === undefined ? {} : { input: options.stdin }),
    // It leads a group, by which what it has started is found.
    detached: options.diesWithUs ?? false,
    ...(options.signal === undefined || options.diesWithUs ? {} : { cancelSignal: options.signal }),
    forceKillAfterDelay: GRACE,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: MOST,
  });
  const result = await (options.diesWithUs ? endingGroup(child, child.pid, options.signal) : child);
  options.signal?.throwIfAborted();
  if (result.code === "ENOENT") throw notOnPath(file, wrapped ? "util-linux" : options.fromPackage, result.cause);
  const exitCode = result.exitCode;
  // sh(1) and prlimit(1) exit as env(1) does.
  if (wrapped && exitCode === 127) throw notOnPath(tool, options.fromPackage, result.cause);
  if (exitCode === undefined || !(options.allow ?? [0]).includes(exitCode)) {
    throw new CommandError(
      { argv, exitCode, signal: result.signal, stderr: String(result.stderr) },
      { cause: result.cause },
    );
  }
  return { stdout: String(result.stdout), stderr: String(result.stderr), exitCode };
};

/** Bytes that a tool may print to one stream. execa quotes them in an error, by an expression that V8 dies of at 64 MiB of zeros. */
const MOST = 8 * 1024 * 1024;

/** Milliseconds that a tool has to end by SIGTERM before it gets SIGKILL. */
const GRACE = 1000;

/** Descriptors that the start of a child takes: two for each of three pipes, and two by which it tells of a failure (uv_spawn). */
const DESCRIPTORS = 8;

/**
 * Where these run out, Node hands out a child without streams, execa 9 throws before it listens to it, and the `error` event
 * that follows would end this process.
 *
 * @throws {HostError}
 */
function assertDescriptors(tool: string): void {
  const held: number[] = [];
  try {
    while (held.length < DESCRIPTORS) held.push(openSync("/dev/null", "r"));
  } catch (error) {
    throw hostFailure(`run ${tool}`, error);
  } finally {
    for (const descriptor of held) closeSync(descriptor);
  }
}

/** Waits for the leader of a group, all of which an abort ends: a child of a tool may hold the tool's output open. */
async function endingGroup<T>(ended: Promise<T>, pid: number | undefined, signal: AbortSignal | undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const end = () => {
    killGroup(pid, "SIGTERM");
    timer = setTimeout(() => killGroup(pid, "SIGKILL"), GRACE);
  };
  signal?.addEventListener("abort", end, { once: true });
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** Signals all of the group that a process leads, if there is any of it. */
function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What to throw where a tool is not there. */
export function notOnPath(file: string, fromPackage: string | undefined, cause: unknown): HostError {
  return new HostError(`run ${file}`, [missingTool(file, fromPackage)], { cause });
}
