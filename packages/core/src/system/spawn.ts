import { type ChildProcess, spawn as start } from "node:child_process";
import type { Abortable } from "../contract/abortable.ts";
import { CommandError, HostError } from "../contract/errors.ts";
import { type Bounds, bounded } from "./bounded.ts";
import { ByteCollector } from "./byte-collector.ts";
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

/** Bytes that a tool may print to one stream. */
const MOST = 64 * 1024 * 1024;

/** Milliseconds that a tool has to end by SIGTERM before it gets SIGKILL. */
const GRACE = 1000;

/**
 * Runs a tool of the host to its end, never by a shell, and returns what it printed. One that prints more than 64 MiB is killed.
 *
 * @throws {CommandError} when a signal ended it, or its exit code is not one of `allow`: with argv, code and stderr.
 * @throws {HostError} when it is not on PATH, or cannot be started for want of descriptors, processes or memory.
 */
export const spawn: Spawn = async (argv, options = {}) => {
  const [tool] = argv;
  if (tool === undefined) throw new TypeError("spawn: empty argv");
  options.signal?.throwIfAborted();
  const command = options.bounds === undefined ? argv : bounded(argv, options.bounds);
  const [file = tool, ...rest] = options.diesWithUs ? dyingWithUs(command) : command;
  const wrapped = file !== tool;
  let ended: Ended;
  try {
    ended = await runToEnd(file, rest, options);
  } catch (cause) {
    options.signal?.throwIfAborted();
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw hostFailure(`run ${tool}`, cause);
    throw notOnPath(file, wrapped ? "util-linux" : options.fromPackage, cause);
  }
  options.signal?.throwIfAborted();
  const { exitCode, signal, stdout, stderr } = ended;
  // sh(1) and prlimit(1) exit as env(1) does.
  if (wrapped && exitCode === 127) throw notOnPath(tool, options.fromPackage, undefined);
  if (exitCode === undefined || !(options.allow ?? [0]).includes(exitCode))
    throw new CommandError({ argv, exitCode, signal, stderr });
  return { stdout, stderr, exitCode };
};

interface Ended {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws a system error when it cannot be started */
async function runToEnd(file: string, args: readonly string[], options: SpawnOptions): Promise<Ended> {
  const { stdin, descriptors = [], diesWithUs = false, signal } = options;
  const child = start(file, args, {
    cwd: options.cwd ?? "/",
    env: { ...(options.env ?? TOOL_ENV) },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...descriptors],
    // It leads a group, by which what it has started is found: that may hold the tool's output open.
    detached: diesWithUs,
  });
  const kill = (how: NodeJS.Signals) => void (diesWithUs ? killGroup(child.pid, how) : child.kill(how));
  let late: NodeJS.Timeout | undefined;
  const abort = () => {
    kill("SIGTERM");
    late = setTimeout(kill, GRACE, "SIGKILL");
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await endOf(child, stdin, () => kill("SIGKILL"));
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", abort);
  }
}

function endOf(child: ChildProcess, stdin: SpawnOptions["stdin"], tooMuch: () => void): Promise<Ended> {
  const [stdout, stderr] = [new ByteCollector(), new ByteCollector()];
  const collect = (collector: ByteCollector) => (chunk: Buffer) => {
    if (collector.size + chunk.length > MOST) tooMuch();
    else collector.append(chunk);
  };
  // Where descriptors run out there are no streams, whatever their types say: the `error` event tells of that.
  child.stdout?.on("data", collect(stdout));
  child.stderr?.on("data", collect(stderr));
  // A tool may end before it has read all: how it ended says why.
  child.stdin?.on("error", () => undefined).end(stdin);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode: number | null, signal: NodeJS.Signals | null) =>
      resolve({
        exitCode: exitCode ?? undefined,
        signal: signal ?? undefined,
        stdout: stdout.bytes().toString(),
        stderr: stderr.bytes().toString(),
      }),
    );
  });
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
