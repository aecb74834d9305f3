import { Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import type { RunOptions } from "../../contract/run.ts";
import { checkedPieces } from "../../model/content.ts";
import { ByteCollector } from "../../system/byte-collector.ts";
import { LineSplitter } from "../line-splitter.ts";
import type { StartedProcess } from "../process.ts";

/**
 * Milliseconds that a run reads on after its program's end, where something in the background holds the pipes: until
 * nothing has come for the first, and for the second at most.
 */
const GRACE = { silence: 100, most: 1000 } as const;

/** What {@link collectOutput} needs of the options of a run. */
export interface CollectOptions extends Pick<RunOptions, "input" | "onStdout" | "onStderr"> {
  readonly maxOutput: number;
}

/** The two outputs of a program, and the end of their collection. */
export interface Collected {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Resolves when the program has ended and its output has come. Rejects with what a listener or the input threw. */
  readonly done: Promise<void>;
}

/** Feeds a program and collects what it prints. One that prints too much is killed. */
export function collectOutput(
  { kill, exit }: StartedProcess,
  streams: { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable },
  { input, onStdout, onStderr, maxOutput }: CollectOptions,
): Collected {
  const overflow = () => kill("SIGKILL");
  const stdout = new Output(streams.stdout, maxOutput, overflow, onStdout);
  const stderr = new Output(streams.stderr, maxOutput, overflow, onStderr);
  // A program that has ended reads no more, whether its driver says so on the stream or not.
  const ended = Promise.all([exit, Promise.race([feed(streams.stdin, input), exit])]);
  const drained = Promise.all([stdout.ended, stderr.ended]);
  const done = Promise.race([Promise.all([ended, drained]), ended.then(() => untilSilent([stdout, stderr], drained))]);
  return { stdout, stderr, done: failFirst(done, drained) };
}

/** What a listener throws counts at once, not only when the program has ended. */
async function failFirst(done: Promise<unknown>, drained: Promise<unknown>): Promise<void> {
  await Promise.race([done, drained.then(() => done)]);
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

async function feed(stdin: Writable, input: RunOptions["input"]): Promise<void> {
  try {
    if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
      stdin.end(input);
      await finished(stdin, { readable: false });
    } else {
      const isBytes = input instanceof Readable && !input.readableObjectMode;
      await pipeline(isBytes ? input : Readable.from(checkedPieces(input, "input of run")), stdin);
    }
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
export class Output {
  readonly ended: Promise<void>;
  /** Bytes that have come, kept or not. */
  received = 0;
  readonly #kept = new ByteCollector();
  readonly #limit: number;

  constructor(
    stream: Readable,
    limit: number,
    overflow: () => Promise<void>,
    listener: ((line: string) => void) | undefined,
  ) {
    this.#limit = limit;
    const lines = listener === undefined ? undefined : new LineSplitter(listener);
    this.ended = this.#collect(stream, overflow, lines);
    // Of a run that was cut short: its streams are destroyed under the reader.
    this.ended.catch(() => undefined);
  }

  /** Whether more has come than is kept. */
  get truncated(): boolean {
    return this.received > this.#limit;
  }

  /** What is kept. Shares its memory: see {@link ByteCollector.bytes}. */
  bytes(): Buffer {
    return this.#kept.bytes();
  }

  async #collect(stream: Readable, overflow: () => Promise<void>, lines: LineSplitter | undefined): Promise<void> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const wasTruncated = this.truncated;
      this.received += chunk.length;
      this.#kept.append(chunk.subarray(0, Math.max(0, this.#limit - this.#kept.size)));
      lines?.push(chunk);
      if (this.truncated && !wasTruncated) await overflow();
    }
    lines?.finish();
  }
}
