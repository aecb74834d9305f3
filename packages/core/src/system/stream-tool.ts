import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn as start } from "node:child_process";
import { Duplex, type Readable, type Writable } from "node:stream";
import { CommandError } from "../errors/all.ts";
import { systemError } from "../errors/system-error.ts";
import { openCell } from "./cell.ts";
import { findTool } from "./find-tool.ts";
import { hostFailure } from "./host-failure.ts";
import { apart } from "./launch-helper.ts";
import { dyingWithUs, notOnPath } from "./spawn.ts";
import { TOOL_ENV } from "./tool-env.ts";

export interface ToolOptions {
  /**
   * Ends the tool at once, with SIGKILL: everything that it made is in a scratch folder. A tool that starts others must
   * ensure that they end with it. A process group would need a session, which gets less of a busy machine (autogroup).
   */
  readonly signal: AbortSignal;
  /** The Debian package of the tool, for the fix. */
  readonly fromPackage: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /**
   * The folder in which it runs, and the only one in which it can write, if this host supports {@link openCell}: for a
   * tool that reads untrusted input. Default: it runs in `/`, and is not confined.
   */
  readonly confinedTo?: string | undefined;
  /** Open files that it inherits, so that a lock on them lasts until it has ended. */
  readonly descriptors?: readonly number[] | undefined;
  /** Each line of standard error as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** A tool of the host that bytes stream through; it dies with this process. For tools that only run, use `spawn()`. */
export interface Tool {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** True if the host does not have it. Known once {@link succeeded} has settled. */
  readonly missing: boolean;
  /** Both ends as one stage of a pipeline. */
  duplex(): Duplex;
  /** Resolves when it has exited with 0. @throws {HostError} when it is not there. @throws {CommandError} */
  succeeded(): Promise<void>;
  /** Resolves when it has ended, in whatever way. */
  gone(): Promise<void>;
}

/**
 * Starts a tool, unless the signal has aborted: then throws its reason.
 *
 * @throws {HostError} if this process has no descriptors left for it.
 */
export function startTool(argv: readonly string[], options: ToolOptions): Tool {
  options.signal.throwIfAborted();
  const { confinedTo, descriptors = [] } = options;
  using cell = confinedTo === undefined ? undefined : openCell(confinedTo, argv[0] ?? "");
  if (findTool("setpriv") === undefined) throw notOnPath("setpriv", "util-linux", undefined);
  let started: ReturnType<typeof apart>;
  try {
    started = apart(dyingWithUs([...(cell?.argv ?? []), ...argv]), [...(cell?.descriptors ?? []), ...descriptors]);
  } catch (error) {
    throw hostFailure(`run ${argv[0]}`, error);
  }
  const [file = "", ...args] = started.argv;
  const child = start(file, args, {
    cwd: confinedTo ?? "/",
    env: { ...(options.env ?? TOOL_ENV) },
    stdio: ["pipe", "pipe", "pipe", ...started.descriptors],
  }) as ChildProcessWithoutNullStreams;
  // When descriptors run out, there are no streams, whatever their types say; the `error` event comes later.
  if ((child.stdin as Writable | undefined) === undefined) {
    child.once("error", () => undefined);
    throw hostFailure(`run ${argv[0]}`, systemError("EMFILE", "spawn"));
  }
  const kill = () => child.kill("SIGKILL");
  options.signal.addEventListener("abort", kill, { once: true });
  const stderr = collect(child.stderr, options.onLine);
  let missing = false;
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", (cause: NodeJS.ErrnoException) => {
      missing = cause.code === "ENOENT";
      reject(missing ? notOnPath("setpriv", "util-linux", cause) : hostFailure(`run ${argv[0]}`, cause));
    });
    child.on("close", (exitCode, signal) => {
      if (exitCode === 0) resolve();
      const failure = commandError(argv, exitCode, signal, stderr());
      // sh(1) exits as env(1) does.
      missing ||= exitCode === 127;
      reject(missing ? notOnPath(argv[0] ?? "", options.fromPackage, failure) : failure);
    });
  }).finally(() => options.signal.removeEventListener("abort", kill));
  // The streams may fail before a caller waits for the end.
  ended.catch(() => undefined);
  // A tool that ends early breaks the pipe; how it ended says why.
  child.stdin.on("error", () => undefined);
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    get missing() {
      return missing;
    },
    duplex: () => Duplex.from({ writable: child.stdin, readable: child.stdout }),
    succeeded: () => ended,
    gone: () => ended.catch(() => undefined),
  };
}

function commandError(
  argv: readonly string[],
  exitCode: ChildProcess["exitCode"],
  signal: NodeJS.Signals | null,
  stderr: string,
): CommandError {
  return new CommandError({ argv, exitCode: exitCode ?? undefined, signal: signal ?? undefined, stderr });
}

/** Keeps the last 64 KiB. */
function collect(stream: Readable, onLine: ((line: string) => void) | undefined): () => string {
  let text = "";
  let line = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text = (text + piece).slice(-65536);
    if (onLine === undefined) return;
    const lines = (line + piece).split("\n");
    line = (lines.pop() ?? "").slice(-4096);
    for (const one of lines) onLine(one);
  });
  return () => text;
}
