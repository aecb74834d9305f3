import { PassThrough, Readable } from "node:stream";
import type { BackendConsole } from "../../contract/backend-console.ts";
import type { ConsoleWriter } from "../../contract/console.ts";
import type { TerminalSize } from "../../terms/terminal-size.ts";

/** How much of the latest output a new reader gets, and how far a reader may be behind, in bytes. */
const HISTORY = 64 * 1024;

/** One reader. */
interface Reader {
  readonly output: Readable;
  taken: (by: ConsoleWriter) => void;
}

/** The console of a fake instance: a terminal that echoes what is typed, as long as the run goes on. */
export class FakeConsole {
  size: TerminalSize = { columns: 80, rows: 24 };
  /** What was typed. */
  readonly input = new PassThrough();
  readonly #readers = new Set<Reader>();
  readonly #print: (data: Uint8Array) => void;
  #history: Buffer = Buffer.alloc(0);
  #writer: (ConsoleWriter & { readonly reader: Reader }) | undefined;
  #ended = false;

  /** `print` prints what is echoed. */
  constructor(print: (data: Uint8Array) => void) {
    this.#print = print;
  }

  /** Shows to all readers what was printed. */
  show(data: Uint8Array): void {
    this.#history = Buffer.concat([this.#history, data]).subarray(-HISTORY);
    for (const { output } of this.#readers) if (output.readableLength < HISTORY) output.push(Buffer.from(data));
  }

  open(): BackendConsole {
    const output = new Readable({
      read: () => undefined,
      destroy: (error, done) => {
        this.#readers.delete(reader);
        this.#release(reader);
        done(error);
      },
    });
    const reader: Reader = { output, taken: () => undefined };
    if (this.#history.length > 0) output.push(this.#history);
    if (this.#ended) output.push(null);
    else this.#readers.add(reader);
    return {
      output,
      claim: async ({ take }) => this.#claim(reader, take),
      write: async (bytes) => {
        if (this.#writer?.reader !== reader || this.#ended) return;
        const typed = Buffer.from(bytes.toString("latin1").replaceAll("\r", "\n"), "latin1");
        this.#print(typed);
        this.input.write(typed);
      },
      release: async () => this.#release(reader),
      resize: async (size) => {
        this.size = size;
      },
      onTaken: (listener) => {
        reader.taken = listener;
      },
    };
  }

  /** The run has ended. */
  end(): void {
    this.#ended = true;
    for (const { output } of this.#readers) output.push(null);
    this.input.end();
  }

  #claim(reader: Reader, take: boolean) {
    const former = this.#writer;
    if (former !== undefined && former.reader !== reader && !take)
      return { granted: false, pid: former.pid, since: former.since };
    const writer = { pid: process.pid, since: Date.now() };
    this.#writer = { ...writer, reader };
    if (former !== undefined && former.reader !== reader) former.reader.taken(writer);
    return { granted: true, ...writer };
  }

  #release(reader: Reader): void {
    if (this.#writer?.reader === reader) this.#writer = undefined;
  }
}
