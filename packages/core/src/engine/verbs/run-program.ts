import { StringDecoder } from "node:string_decoder";
import type { RunBufferOptions, RunOptions } from "../../contract/run.ts";
import { RunError, TimeoutError } from "../../errors/all.ts";
import { abortable, Deadline } from "../../flow/deadline.ts";
import { PROGRAM_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { RunSchema } from "../../model/verb-options.ts";
import type { RunResult } from "../../terms/run-result.ts";
import type { ExitStatus } from "../../terms/state.ts";
import { LONGEST_BUFFER, LONGEST_TEXT } from "../../text/longest-text.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { ownProcess, type StartedProcess } from "../program/process.ts";
import { type Collected, collectOutput, type Output } from "./collect-output.ts";
import { withProgram } from "./exec.ts";

const HINTS = {
  ...PROGRAM_HABITS,
  stdin: "it is called input here",
  maxBuffer: "it is called maxOutput here",
  reject: "run() resolves however the program ends; with check: true it rejects when the program fails",
  tty: "run() collects the output of pipes: exec(argv, { tty: { columns: 80, rows: 24 } }) gives a terminal",
};

/** The hint for a command line in one word, of which no program has the name. */
function wordsHint([program = "", ...others]: readonly string[], { exitCode }: RunResult): string | undefined {
  if (exitCode !== 127 || others.length > 0 || !/\S\s+\S/.test(program)) return undefined;
  return 'argv is a list of words, as in ["ls", "-l", "/"]';
}

/**
 * Runs a program to its end and collects its output. When this rejects, the program is dead, unless the instance is
 * frozen: then it dies at the thaw.
 */
export async function runProgram(
  instance: ManagedInstance,
  argv: readonly string[],
  options: RunOptions | RunBufferOptions = {},
): Promise<RunResult<string | Buffer>> {
  const asked = parse(RunSchema, { ...options, argv }, "run", HINTS);
  const action = `${asked.argv[0]} in "${instance.name}"`;
  const deadline = new Deadline({ action, timeout: asked.timeout, signal: options.signal });
  let progress: RunProgress | undefined;
  try {
    const run = await withProgram(instance, asked, { signal: deadline.signal }, async (started) => {
      await using _ = ownProcess(started);
      progress = new RunProgress(started, asked);
      await abortable(progress.done, deadline.signal);
      return progress;
    });
    if (asked.check && run.failed) {
      const result = run.result("utf8");
      throw new RunError(action, result, { hint: wordsHint(asked.argv, result) });
    }
    return run.result(asked.encoding);
  } catch (error) {
    if (deadline.hasPassed) throw new TimeoutError(action, asked.timeout, { result: progress?.cutShort() });
    // Whatever the clean-up did.
    deadline.signal.throwIfAborted();
    throw error;
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** The result of a run so far. */
class RunProgress {
  /** Resolves when the result is complete. Rejects with the error of a listener or the input. */
  readonly done: Promise<void>;
  readonly #collected: Collected;
  readonly #began = performance.now();
  #ended: number | undefined;
  // Until the end is seen: a run that gives up on its program has sent it a kill.
  #exit: ExitStatus = { kind: "signaled", signal: "SIGKILL" };
  #oom = false;

  constructor(started: StartedProcess, options: ReturnType<typeof RunSchema.parse>) {
    if (started.streams.kind !== "pipes") throw new TypeError("a run has pipes");
    const maxOutput = Math.min(options.maxOutput, options.encoding === "utf8" ? LONGEST_TEXT : LONGEST_BUFFER);
    this.#collected = collectOutput(started, started.streams, { ...options, maxOutput });
    this.done = this.#finish(started);
    this.done.catch(() => undefined);
  }

  /** Whether the program did not exit with code 0 by itself. */
  get failed(): boolean {
    return this.#truncated || this.#exit.kind === "signaled" || this.#exit.code !== 0;
  }

  get #truncated(): boolean {
    const { stdout, stderr } = this.#collected;
    return stdout.truncated || stderr.truncated;
  }

  /** The result of a run whose time is up. Its listeners get the lines that had begun, and no later lines. */
  cutShort(): RunResult {
    this.#collected.stdout.cutShort();
    this.#collected.stderr.cutShort();
    return this.result("utf8", true);
  }

  result(encoding: "utf8", timedOut?: boolean): RunResult;
  result(encoding: "utf8" | "buffer", timedOut?: boolean): RunResult<string | Buffer>;
  result(encoding: "utf8" | "buffer", timedOut = false): RunResult<string | Buffer> {
    const { stdout, stderr } = this.#collected;
    const exit = this.#exit;
    const decode = (output: Output) => {
      if (encoding === "buffer") return output.bytes();
      const text = output.bytes().subarray(0, LONGEST_TEXT);
      // Without a character that the limit or the end of the time cuts in two.
      return output.truncated || timedOut ? new StringDecoder("utf8").write(text) : text.toString("utf8");
    };
    return {
      stdout: decode(stdout),
      stderr: decode(stderr),
      exitCode: exit.kind === "exited" ? exit.code : undefined,
      signal: exit.kind === "signaled" ? exit.signal : undefined,
      failed: timedOut || this.failed,
      timedOut,
      truncated: this.#truncated,
      oom: this.#oom,
      durationMs: (this.#ended ?? performance.now()) - this.#began,
      exit,
    };
  }

  async #finish(started: StartedProcess): Promise<void> {
    const ended = started.exit.then(async (exit) => {
      this.#ended = performance.now();
      this.#exit = exit;
      if (exit.kind !== "signaled" || exit.signal !== "SIGKILL" || started.wasKilled) return;
      this.#oom = (await started.ranOutOfMemory?.()) ?? false;
    });
    await Promise.all([this.#collected.done, ended]);
  }
}
