import { Buffer } from "node:buffer";
import { Readable, type Writable } from "node:stream";
import type { Abortable, DirectoryEntry, FileStat, MkdirOptions, OwnerOptions, RemoveOptions } from "@pileus/core";
import { type FileOperations, parseJson, TimeoutError } from "@pileus/core/driver";
import { z } from "zod";
import type { ChannelReader } from "../protocol/channel-reader.ts";
import type { ChannelWriter } from "../protocol/channel-writer.ts";
import { type CallRequest, DirectoryEntrySchema, FileStatSchema } from "../protocol/messages.ts";
import { within } from "./deadline.ts";
import type { Begun, HostSession } from "./host-session.ts";

const NEWLINE = 0x0a;
// What a guest can make us hold of one entry of a listing.
const MAX_LINE = 128 * 1024;
// How long an aborted write waits for the guest to clean up, in milliseconds.
const CLEAN_UP_TIMEOUT = 1_000;
// The longest delay of a timer, in milliseconds (Node, "Timers"): a longer one fires at once.
const MAX_TIMER = 2 ** 31 - 1;

/**
 * The guest's files over a session, with the paths and errors of the contract. `timeout` limits calls that move no
 * bytes.
 */
export class RemoteFiles implements FileOperations {
  readonly #session: HostSession;
  readonly #timeout: number;

  constructor(session: HostSession, timeout: number) {
    this.#session = session;
    this.#timeout = timeout;
  }

  read(path: string, options: Abortable): Promise<Readable> {
    return this.#give({ method: "read", path }, options);
  }

  readTree(path: string, options: Abortable): Promise<Readable> {
    return this.#give({ method: "readTree", path }, options);
  }

  write(path: string, options: OwnerOptions): Promise<{ readonly stream: Writable; readonly done: Promise<void> }> {
    const { uid, gid, mode } = options;
    return this.#take({ method: "write", path, options: { uid, gid, mode } }, options);
  }

  writeTree(path: string, options: Abortable): Promise<{ readonly stream: Writable; readonly done: Promise<void> }> {
    return this.#take({ method: "writeTree", path }, options);
  }

  stat(path: string, options: Abortable): Promise<FileStat> {
    return this.#session.ask({ method: "stat", path }, FileStatSchema, this.#limits(options));
  }

  async list(path: string, options: Abortable): Promise<Readable> {
    const lines = await this.#give({ method: "list", path }, options);
    const entries = Readable.from(this.#entries(lines, options), { objectMode: true });
    // Works even if the caller has not begun to read.
    return entries.once("close", () => lines.destroy()).on("error", () => undefined);
  }

  /** If the guest falls silent during a listing, the call waits no longer than for any other answer. */
  async *#entries(lines: Readable, options: Abortable): AsyncGenerator<DirectoryEntry, void> {
    const silent = () => lines.destroy(new TimeoutError("the rest of a listing in the guest", this.#timeout));
    const wait = () => setTimeout(silent, Math.min(this.#timeout, MAX_TIMER));
    let timer = wait();
    let rest = Buffer.alloc(0);
    try {
      for await (const chunk of lines as AsyncIterable<Buffer>) {
        // The timer stops while the caller handles entries.
        clearTimeout(timer);
        const bytes = Buffer.concat([rest, chunk]);
        const end = bytes.lastIndexOf(NEWLINE) + 1;
        for (const line of end === 0 ? [] : bytes.toString("utf8", 0, end - 1).split("\n")) yield this.#entry(line);
        rest = bytes.subarray(end);
        // The schema of an entry allows no line of this length.
        if (rest.length > MAX_LINE) this.#entry("");
        timer = wait();
      }
      // A listing that was cut short within a line is a protocol error.
      if (rest.length > 0) yield this.#entry(rest.toString("utf8"));
    } catch (error) {
      // A reason may be no Error, but a stream can only fail with an Error.
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #entry(line: string): DirectoryEntry {
    return this.#session.checked(DirectoryEntrySchema, parseLine(line), Buffer.from(line));
  }

  async mkdir(path: string, options: MkdirOptions): Promise<void> {
    const { uid, gid, mode, recursive } = options;
    const request: CallRequest = { method: "mkdir", path, options: { uid, gid, mode, recursive } };
    await this.#session.ask(request, z.unknown(), this.#limits(options));
  }

  async remove(path: string, options: RemoveOptions): Promise<void> {
    const request: CallRequest = { method: "remove", path, recursive: options.recursive ?? false };
    // A large tree may take long.
    await this.#session.ask(request, z.unknown(), { signal: options.signal, timeout: Number.POSITIVE_INFINITY });
  }

  #limits(options: Abortable) {
    return { signal: options.signal, timeout: this.#timeout };
  }

  async #give(request: CallRequest, options: Abortable): Promise<Readable> {
    options.signal?.throwIfAborted();
    let reader: ChannelReader | undefined;
    const begun = this.#session.begin(request, (call) => {
      reader = call.reader(1);
    });
    await this.#started(begun, request, options);
    const stream = reader as unknown as ChannelReader;
    cancelOnAbort(begun, options.signal);
    return stream;
  }

  async #take(request: CallRequest, options: Abortable) {
    options.signal?.throwIfAborted();
    let writer: ChannelWriter | undefined;
    const begun = this.#session.begin(request, (call) => {
      writer = call.writer(0, "cancel");
    });
    await this.#started(begun, request, options);
    const stream = writer as unknown as ChannelWriter;
    cancelOnAbort(begun, options.signal);
    const done = this.#settled(begun, stream, options.signal);
    // A caller that destroys the stream may ignore the outcome.
    done.catch(() => undefined);
    return { stream, done };
  }

  #started(begun: Begun, request: CallRequest, options: Abortable): Promise<void> {
    return within(begun.started, `${request.method} in the guest`, this.#limits(options), () => begun.call.cancel());
  }

  /** Waits for the end of a write: the file is in place, or nothing of it is left. */
  async #settled(begun: Begun, stream: ChannelWriter, signal: AbortSignal | undefined): Promise<void> {
    let aborted = (): void => undefined;
    const gaveUp = new Promise<void>((resolve) => {
      stream.once("close", () => {
        if (begun.call.cancelled) resolve();
      });
      // The abort may come after everything was sent and the stream was closed.
      aborted = resolve;
      signal?.addEventListener("abort", aborted, { once: true });
      if (signal?.aborted) aborted();
    });
    try {
      const first = await Promise.race([
        begun.outcome.then(() => "done" as const),
        gaveUp.then(() => "gave up" as const),
      ]);
      if (first === "done") return;
    } finally {
      signal?.removeEventListener("abort", aborted);
    }
    const cleaned = begun.outcome.catch(() => undefined);
    await within(cleaned, "cleaning up in the guest", { timeout: CLEAN_UP_TIMEOUT }, () => undefined).catch(
      () => undefined,
    );
    signal?.throwIfAborted();
    if (stream.errored !== null) throw stream.errored;
  }
}

// An abort after the stream was returned ends the stream and the call with the caller's reason.
function cancelOnAbort(begun: Begun, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const aborted = () => begun.call.cancel(signal.reason);
  signal.addEventListener("abort", aborted, { once: true });
  const over = () => signal.removeEventListener("abort", aborted);
  begun.outcome.then(over, over);
  if (signal.aborted) aborted();
}

function parseLine(line: string): unknown {
  try {
    return parseJson(line);
  } catch {
    return undefined;
  }
}
