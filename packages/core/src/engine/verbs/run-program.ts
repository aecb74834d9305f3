import { Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import type { PipeProcess, RunOptions, RunResult } from "../../contract/process.ts";
import { abortable, Deadline } from "../../driver/deadline.ts";
import { parse } from "../../model/parse.ts";
import { RunSchema } from "../../model/verb-options.ts";
import { ByteCollector } from "../../system/byte-collector.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { withProgram } from "./exec.ts";

/**
 * Milliseconds that a run reads on after its program's end, where something in the background holds the pipes: until
 * nothing has come for the first, and for the second at most.
 */
const GRACE = { silence: 100, most: 1000 } as const;

/**
 * Runs a program to its end and collects what it printed. Whatever cuts it short, the program is dead when this
 * rejects, unless it stands still: then it dies with the thaw.
 */
export async function runProgram(
  instance: ManagedInstance,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { timeout, maxOutput } = parse(RunSchema, { ...options, argv }, "run");
  const deadline = new Deadline({ action: `${argv[0]} in "${instance.name}"`, timeout, signal: options.signal });
  try {
    const { env, cwd, user } = options;
    return await withProgram(instance, argv, { env, cwd, user, signal: deadline.signal }, async (started) => {
      await using process = started as PipeProcess;
      return await abortable(collect(process, options.stdin, maxOutput), deadline.signal);
    });
  } catch (error) {
    // Whatever became of the clean-up.
    deadline.signal.throwIfAborted();
    throw error;
  } finally {
    deadline[Symbol.dispose]();
  }
}

async function collect(process: PipeProcess, stdin: RunOptions["stdin"], limit: number): Promise<RunResult> {
  const overflow = () => process.kill("SIGKILL");
  const stdout = new Output(process.stdout, limit, overflow);
  const stderr = new Output(process.stderr, limit, overflow);
  // A program that has ended reads no more, whether its driver says so on the stream or not.
  const ended = Promise.all([process.exit, Promise.race([feed(process.stdin, stdin), process.exit])]);
  const drained = Promise.all([stdout.ended, stderr.ended]);
  await Promise.race([Promise.all([ended, drained]), ended.then(() => untilSilent([stdout, stderr], drained))]);
  return { stdout: stdout.text(), stderr: stderr.text(), exit: await process.exit };
}

/** Resolves when all has come, when nothing more comes, or when what comes is no longer the program's own. */
async function untilSilent(outputs: readonly Output[], drained: Promise<unknown>): Promise<void> {
  const size = () => outputs.reduce((sum, { received }) => sum + received, 0);
  const end = performance.now() + GRACE.most;
  for (let heard = -1; heard !== size() && performance.now() < end; ) {
    heard = size();
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise((resolve) => {
      timer = setTimeout(resolve, GRACE.silence);
    });
    await Promise.race([drained, silence]).finally(() => clearTimeout(timer));
    // A loop that was held up fires its timers before it reads what has come meanwhile.
    await setImmediate();
  }
}

async function feed(stdin: Writable, data: RunOptions["stdin"]): Promise<void> {
  try {
    if (data === undefined || typeof data === "string" || data instanceof Uint8Array) {
      stdin.end(data);
      await finished(stdin, { readable: false });
    } else await pipeline(Readable.from(data), stdin);
  } catch (error) {
    // A program may end, or close its input, without having read it all.
    if (!isClosedPipe(error)) throw error;
  }
}

function isClosedPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

/** What comes of one stream, as far as there is room for it. */
class Output {
  readonly ended: Promise<void>;
  /** Bytes that have come, kept or not. */
  received = 0;
  readonly #kept = new ByteCollector();

  constructor(stream: Readable, limit: number, overflow: () => Promise<void>) {
    this.ended = this.#collect(stream, limit, overflow);
  }

  text(): string {
    return this.#kept.bytes().toString("utf8");
  }

  async #collect(stream: Readable, limit: number, overflow: () => Promise<void>): Promise<void> {
    let over = false;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      this.received += chunk.length;
      const room = limit - this.#kept.size;
      this.#kept.append(chunk.subarray(0, room));
      if (over || chunk.length <= room) continue;
      over = true;
      await overflow();
    }
  }
}
