import { createHash } from "node:crypto";
import { setImmediate as immediate } from "node:timers/promises";
import { ImageError } from "../../errors/all.ts";
import { TarReader } from "../../tar/reader.ts";
import type { LayerFilter, LayerFindings } from "./filter.ts";
import { beyondLimit, type LayerLimits } from "./limits.ts";

/** Bytes of an archive that are judged between two looks at the clock: one deep entry, or a few. */
const PIECE = 2048;
/** How many bytes are passed on together. */
const OUTPUT = 256 * 1024;
/** How long the event loop is held, in milliseconds, plus the time for one piece. */
const TURN = 20;

/** Judges and rewrites an archive that streams through; hashes and counts the original bytes. */
export class Judge {
  size = 0;
  readonly #filter: LayerFilter;
  readonly #reader: TarReader;
  readonly #hash = createHash("sha256");
  readonly #image: string;
  readonly #limits: LayerLimits;
  #findings: LayerFindings | undefined;

  constructor(image: string, filter: LayerFilter, limits: LayerLimits) {
    this.#filter = filter;
    this.#reader = new TarReader((fault) => new ImageError(image, fault.message), filter);
    this.#image = image;
    this.#limits = limits;
  }

  /** A stage of a pipeline. However much work an archive causes, it yields to timers, sockets and `signal`. */
  async *rewrite(chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) yield* this.#paced(this.#judge(chunk), signal);
    yield* this.#paced(this.#finish(), signal);
    yield this.#filter.output.take();
  }

  *#judge(chunk: Buffer): Generator<void> {
    this.size += chunk.length;
    if (this.size > this.#limits.bytes) throw beyondLimit(this.#image, `${this.#limits.bytes} bytes`);
    this.#hash.update(chunk);
    for (let at = 0; at < chunk.length; at += PIECE) yield this.#reader.push(chunk.subarray(at, at + PIECE));
  }

  *#finish(): Generator<void> {
    this.#reader.end();
    this.#findings = yield* this.#filter.finish();
  }

  async *#paced(steps: Iterable<void>, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { output } = this.#filter;
    let begin = performance.now();
    for (const _step of steps) {
      if (output.length >= OUTPUT) yield output.take();
      if (performance.now() - begin < TURN) continue;
      await immediate();
      signal.throwIfAborted();
      begin = performance.now();
    }
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }

  findings(): LayerFindings {
    if (this.#findings === undefined) throw new Error("the archive has not ended");
    return this.#findings;
  }
}
