import { closeSync, openSync } from "node:fs";
import { execa } from "execa";
import { CommandError, HostError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { type Bounds, bounded } from "./bounded.ts";
import { openCell } from "./cell.ts";
import { type CollectedChild, collectChild } from "./collect-child.ts";
import { findTool, missingTool } from "./find-tool.ts";
import { hostFailure } from "./host-failure.ts";
import { apart } from "./launch-helper.ts";
import { TOOL_ENV } from "./tool-env.ts";

/** Options of {@link spawn}. An abort ends the tool: SIGTERM, and SIGKILL a second later. */
export interface SpawnOptions extends Abortable {
  /** Default: `/`. */
  readonly cwd?: string | undefined;
  /** The whole environment. Default: only `PATH` and the `C.UTF-8` locale. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default: `/dev/null`. */
  readonly stdin?: string | Uint8Array | undefined;
  /** Open descriptors that the tool inherits, as 3, 4 and so on. */
  readonly descriptors?: readonly number[] | undefined;
  /**
   * Kills the tool at once when this process dies, however it dies: for a tool that fills a folder that is removed
   * after a crash. It can still write for a moment: if a lock guards the folder, pass the lock's descriptor, too. An
   * abort then also ends whatever the tool has started.
   */
  readonly diesWithUs?: boolean | undefined;
  /** Limits for a tool that reads untrusted input. */
  readonly bounds?: Bounds | undefined;
  /**
   * The folder in which it runs, in place of {@link cwd}, and the only one in which it can write, if this host supports
   * `openCell()`: for a tool that reads untrusted input. It sees this machine's root file system without other
   * mounts, so give it relative paths below the folder. Default: it is not confined.
   */
  readonly confinedTo?: string | undefined;
  /** The tool cannot write in {@link confinedTo} either. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * Starts it with none of the settings of this process and of its parents, nor with their keys: for a tool that lives on,
   * or that reads untrusted input. Default: where it has {@link bounds} or {@link confinedTo}.
   */
  readonly apart?: boolean | undefined;
  /** The Debian package that has the tool, for the fix in the error. */
  readonly fromPackage?: string | undefined;
  /** Exit codes that are not failures. Default: 0. */
  readonly allow?: readonly number[] | undefined;
}

/** The type of {@link spawn}: functions take it as an argument so that their tests need no tool. */
export type Spawn = (
  argv: readonly string[],
  options?: SpawnOptions,
) => Promise<{ stdout: string; stderr: string; exitCode: number }>;

/**
 * The command line of a child that runs `argv` and gets SIGKILL when this process dies: prctl(2), PR_SET_PDEATHSIG. If
 * this process died before that call, the child has another parent by then, and `argv` does not run.
 */
export function dyingWithUs(argv: readonly string[]): [tool: string, ...args: string[]] {
  const ifParentLives = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', String(process.pid)];
  return ["setpriv", "--pdeathsig=KILL", "--", ...ifParentLives, ...argv];
}

/**
 * Runs a tool of the host to its end, without a shell, and returns its output. A tool that prints more than 8 MiB is
 * killed.
 *
 * @throws {CommandError} when a signal ended it, or its exit code is not one of `allow`. The error has argv, code and
 * stderr.
 * @throws {HostError} when it is not on PATH, or when too few descriptors are free to start it.
 */
export const spawn: Spawn = async (argv, options = {}) => {
  const [tool] = argv;
  if (tool === undefined) throw new TypeError("spawn: empty argv");
  options.signal?.throwIfAborted();
  const { confinedTo, bounds, diesWithUs } = options;
  // Those take long: a fork of this process does not matter.
  const isWrapped = confinedTo !== undefined || bounds !== undefined || diesWithUs === true;
  const result = await (isWrapped ? runWrapped(tool, argv, options) : runPlain(tool, argv, options));
  options.signal?.throwIfAborted();
  const { exitCode, signal, stderr, cause } = result;
  if (exitCode === undefined || !(options.allow ?? [0]).includes(exitCode))
    throw new CommandError({ argv, exitCode, signal, stderr }, { cause });
  return { stdout: result.stdout, stderr, exitCode };
};

interface ToolResult extends Omit<CollectedChild, "tooLong"> {
  readonly cause?: unknown;
}

async function runPlain(tool: string, argv: readonly string[], options: SpawnOptions): Promise<ToolResult> {
  if (options.apart && findTool(tool) === undefined) throw notOnPath(tool, options.fromPackage, undefined);
  try {
    const started = options.apart ? apart(argv, options.descriptors) : { argv, descriptors: options.descriptors };
    const given = { ...options, descriptors: started.descriptors, grace: GRACE, most: MOST };
    const { tooLong, ...result } = await collectChild(started.argv, given);
    return tooLong
      ? { ...result, exitCode: undefined, cause: new RangeError(`more than ${MOST} bytes of output`) }
      : result;
  } catch (error) {
    options.signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw notOnPath(tool, options.fromPackage, error);
    throw hostFailure(`run ${tool}`, error);
  }
}

/** Runs a tool by one or more others that confine it, limit it, and end it with this process. */
async function runWrapped(tool: string, argv: readonly string[], options: SpawnOptions): Promise<ToolResult> {
  const { confinedTo, descriptors = [] } = options;
  assertDescriptors(tool);
  using cell = confinedTo === undefined ? undefined : openCell(confinedTo, tool, { readOnly: options.readOnly });
  const within = options.bounds === undefined ? argv : bounded(argv, options.bounds);
  const command = [...(cell?.argv ?? []), ...within];
  const whole = options.diesWithUs ? dyingWithUs(command) : command;
  const inherited = [...(cell?.descriptors ?? []), ...descriptors];
  const isApart = options.apart ?? (confinedTo !== undefined || options.bounds !== undefined);
  const started = isApart ? apart(whole, inherited) : { argv: whole, descriptors: inherited };
  const [first = tool] = whole;
  if (isApart && findTool(first) === undefined) throw notOnPath(first, "util-linux", undefined);
  const [file = first, ...rest] = started.argv;
  const child = execa(file, rest, {
    cwd: confinedTo ?? options.cwd ?? "/",
    env: options.env ?? TOOL_ENV,
    extendEnv: false,
    // execa's types know only descriptors up to 9, but it passes any.
    stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...(started.descriptors as 3[])],
    ...(options.stdin === undefined ? {} : { input: options.stdin }),
    // It leads a process group: so everything that it has started can be found.
    detached: options.diesWithUs ?? false,
    ...(options.signal === undefined || options.diesWithUs ? {} : { cancelSignal: options.signal }),
    forceKillAfterDelay: GRACE,
    reject: false,
    stripFinalNewline: false,
    maxBuffer: MOST,
  });
  const result = await (options.diesWithUs ? endingGroup(child, child.pid, options.signal) : child);
  options.signal?.throwIfAborted();
  const { exitCode, signal, cause, code } = result;
  if (code === "ENOENT" || code === "EACCES")
    throw notOnPath(first, first === tool ? options.fromPackage : "util-linux", cause);
  // sh(1) and prlimit(1) have the exit codes of env(1).
  if (file !== tool && (exitCode === 127 || (exitCode === 126 && findTool(tool) === undefined)))
    throw notOnPath(tool, options.fromPackage, cause);
  return { exitCode, signal, cause, stdout: String(result.stdout), stderr: String(result.stderr) };
}

/**
 * The most bytes that a tool may print to one stream. execa quotes them in an error with an expression that crashes V8
 * at 64 MiB of zeros.
 */
const MOST = 8 * 1024 * 1024;

/** Milliseconds between SIGTERM and SIGKILL. */
const GRACE = 1000;

/**
 * Descriptors that starting a child takes: two for each of three pipes, two to report a failure (uv_spawn), two for a
 * cell, and one for the helper of a tool that is set apart.
 */
const DESCRIPTORS = 11;

/**
 * Without free descriptors Node returns a child without streams, execa 9 throws before it listens to the child, and the
 * following `error` event would crash this process.
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

/**
 * Waits for the leader of a group. An abort ends the whole group: a child of a tool may hold the tool's output open.
 */
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

/** Sends a signal to the whole group that a process leads, if it still exists. */
function killGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The error for a missing tool. */
export function notOnPath(file: string, fromPackage: string | undefined, cause: unknown): HostError {
  return new HostError(`run ${file}`, [missingTool(file, fromPackage)], { cause });
}
