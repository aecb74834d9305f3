import { Readable, type Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import type { RunOptions } from "../../contract/run.ts";
import { checkedPieces } from "../../model/content.ts";
import { ByteCollector } from "../../system/byte-collector.ts";
import { LineSplitter } from "../program/line-splitter.ts";
import type { StartedProcess } from "../program/process.ts";

/**
 * How long a run keeps reading after its program has ended, while a background process holds the pipes: until nothing
 * has come for `silence` milliseconds, and for `most` milliseconds at most.
 */
const GRACE = { silence: 100, most: 1000 } as const;

/** The options of a run that {@link collectOutput} needs. */
export interface CollectOptions extends Pick<RunOptions, "input" | "onStdout" | "onStderr"> {
  readonly maxOutput: number;
}

/** The two output streams of a program, and the end of their collection. */
export interface Collected {
  readonly stdout: Output;
  readonly stderr: Output;
  /**
   * Resolves when the program has ended and its output is complete. Rejects with the error of a listener or the input.
   */
  readonly done: Promise<unknown>;
}

/** Writes the input of a program and collects its output. Kills a program that prints too much. */
export function collectOutput(
  { kill, exit }: StartedProcess,
  streams: { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable },
  { input, onStdout, onStderr, maxOutput }: CollectOptions,
): Collected {
  const overflow = () => kill("SIGKILL");
  const stdout = new Output(streams.stdout, maxOutput, overflow, onStdout);
  const stderr = new Output(streams.stderr, maxOutput, overflow, onStderr);
  // After the program has ended it reads no more input, even if the driver leaves the stream open.
  const ended = Promise.all([exit, Promise.race([writeInput(streams.stdin, input), exit])]);
  const drained = Promise.all([stdout.ended, stderr.ended]);
  const done = Promise.race([Promise.all([ended, drained]), ended.then(() => untilSilent([stdout, stderr], drained))]);
  return { stdout, stderr, done };
}

/**
 * Resolves when the streams have ended, when nothing has come for a while, or when the time is up: see {@link GRACE}.
 */
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
    // A delayed event loop fires its timers before it reads the data that has come meanwhile.
    await setImmediate();
  }
}

async function writeInput(stdin: Writable, input: RunOptions["input"]): Promise<void> {
  try {
    if (input === undefined) stdin.end();
    else if (typeof input === "string" || input instanceof Uint8Array) {
      stdin.end(input);
      await finished(stdin, { readable: false });
    } else {
      const isBytes = input instanceof Readable && !input.readableObjectMode;
      await pipeline(isBytes ? input : Readable.from(checkedPieces(input, "input of run")), stdin);
    }
  } catch (error) {
    // A program may end or close its input before it has read everything.
    if (!isClosedPipe(error)) throw error;
  }
}

function isClosedPipe(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

/** The output of one stream, up to a limit. */
export class Output {
  readonly ended: Promise<void>;
  /** Bytes received, kept or not. */
  received = 0;
  readonly #kept = new ByteCollector();
  readonly #limit: number;
  #lines: LineSplitter | undefined;

  constructor(
    stream: Readable,
    limit: number,
    overflow: () => Promise<void>,
    listener: ((line: string) => void) | undefined,
  ) {
    this.#limit = limit;
    this.#lines = listener === undefined ? undefined : new LineSplitter(listener);
    this.ended = this.#collect(stream, overflow);
    // When a run is cut short, its streams are destroyed while they are read.
    this.ended.catch(() => undefined);
  }

  /** Whether more was received than kept. */
  get truncated(): boolean {
    return this.received > this.#limit;
  }

  /** The kept bytes. They share memory: see {@link ByteCollector.bytes}. */
  bytes(): Buffer {
    return this.#kept.bytes();
  }

  /**
   * Delivers the line that had begun when the call was cut short, and no later line. An error of the listener is
   * ignored, because the call has failed already.
   */
  cutShort(): void {
    const lines = this.#lines;
    this.#lines = undefined;
    try {
      lines?.finish();
    } catch {}
  }

  /** By events: for a program that prints nothing, an iterator takes longer than all the rest. */
  #collect(stream: Readable, overflow: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        reject(error);
        stream.destroy();
      };
      stream.on("data", (chunk: Buffer) => {
        try {
          this.#take(chunk, () => void overflow().catch(fail));
        } catch (error) {
          fail(error);
        }
      });
      stream.once("error", reject);
      finished(stream, { writable: false })
        .then(() => this.#lines?.finish())
        .then(resolve, reject);
    });
  }

  #take(chunk: Buffer, overflow: () => void): void {
    const wasTruncated = this.truncated;
    this.received += chunk.length;
    this.#kept.append(chunk.subarray(0, Math.max(0, this.#limit - this.#kept.size)));
    this.#lines?.push(chunk);
    if (this.truncated && !wasTruncated) overflow();
  }
}
