import { Buffer } from "node:buffer";
import { ChannelReader } from "./channel-reader.ts";
import { ChannelWriter, type Destroyed } from "./channel-writer.ts";
import { FRAME, type FrameType } from "./frame.ts";
import type { Outcome } from "./messages.ts";

/** What a {@link Call} asks of its session. */
export interface CallOwner {
  control(type: FrameType, call: number, channel: number, payload?: Buffer): void;
  ready(call: Call, channel: number, writer: ChannelWriter): void;
  forget(call: Call): void;
}

/** What happens to a call. Those of the peer's side never come. */
export interface CallHandlers {
  message?(message: unknown, payload: Buffer): void;
  /** At the agent: the host gave it up. */
  cancelled?(): void;
  /** At the host: it is over. What it returns, streams that have not ended fail with. */
  closed?(outcome: unknown, payload: Buffer): Error | undefined;
  /** The session broke under it. */
  failed?(error: Error): void;
}

/** One operation under way, as either side sees it: up to three channels of bytes each way, and messages. */
export class Call {
  readonly id: number;
  handlers: CallHandlers = {};
  readonly #owner: CallOwner;
  readonly #readers = new Map<number, ChannelReader>();
  readonly #writers = new Map<number, ChannelWriter>();
  #over = false;
  #cancelled = false;

  constructor(owner: CallOwner, id: number) {
    this.#owner = owner;
    this.id = id;
  }

  /** The receiving end of a channel; must exist before its first byte can arrive. */
  reader(channel: number): ChannelReader {
    const reader = new ChannelReader({
      grant: (credit) => {
        const payload = Buffer.allocUnsafe(4);
        payload.writeUInt32BE(credit);
        this.#control(FRAME.window, channel, payload);
      },
      stop: () => this.#control(FRAME.stop, channel),
    });
    // A broken session fails streams that nobody may be reading; who reads one still sees it.
    reader.on("error", () => undefined);
    this.#readers.set(channel, reader);
    return reader;
  }

  /** The sending end of a channel. */
  writer(channel: number, destroyed: Destroyed): ChannelWriter {
    const writer = new ChannelWriter(
      {
        ready: () => {
          if (!this.#over) this.#owner.ready(this, channel, writer);
        },
        cancel: () => this.cancel(),
      },
      destroyed,
    );
    writer.on("error", () => undefined);
    this.#writers.set(channel, writer);
    return writer;
  }

  readerOf(channel: number): ChannelReader | undefined {
    return this.#readers.get(channel);
  }

  writerOf(channel: number): ChannelWriter | undefined {
    return this.#writers.get(channel);
  }

  /** Whether the peer has sent all that we still want: each reader has had its END, or was destroyed by us. */
  get received(): boolean {
    return [...this.#readers.values()].every((reader) => reader.finished || reader.destroyed);
  }

  /** Whether all that was to be sent has left, with its END. */
  get sent(): boolean {
    return [...this.#writers.values()].every((writer) => writer.writableFinished);
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  send(message: object): void {
    this.#control(FRAME.message, 0, Buffer.from(JSON.stringify(message)));
  }

  /**
   * At the host: gives the call up. What it streams closes at once, with the reason if there is one; the agent still
   * closes it.
   */
  cancel(reason?: Error): void {
    if (this.#over || this.#cancelled) return;
    this.#control(FRAME.cancel, 0);
    this.#cancelled = true;
    this.#halt(reason);
  }

  /** At the agent: the host gave it up. Streams close, and all that is still said is CLOSE. */
  abandon(): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    this.handlers.cancelled?.();
    this.#halt(undefined);
  }

  /** At the agent: says that it is over, and how. Streams that have not ended close. */
  close(outcome: Outcome): void {
    if (this.#over) return;
    this.#owner.control(FRAME.close, this.id, 0, Buffer.from(JSON.stringify(outcome)));
    this.over(undefined);
  }

  /** It is over: streams that have not ended close, with the error if there is one. */
  over(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.forget(this);
    this.#halt(error);
  }

  /** The session broke under it. */
  fail(error: Error): void {
    if (this.#over) return;
    this.over(error);
    this.handlers.failed?.(error);
  }

  #halt(error: Error | undefined): void {
    for (const writer of this.#writers.values()) if (!writer.writableFinished) writer.halt(error);
    for (const reader of this.#readers.values()) if (!reader.finished) reader.destroy(error);
  }

  #control(type: FrameType, channel: number, payload?: Buffer): void {
    if (!this.#over && !this.#cancelled) this.#owner.control(type, this.id, channel, payload);
  }
}
