import { Buffer } from "node:buffer";
import { ChannelReader } from "./channel-reader.ts";
import { ChannelWriter, type Destroyed } from "./channel-writer.ts";
import { FRAME, type FrameType } from "./frame.ts";
import type { Outcome } from "./messages.ts";

/** What a {@link Call} needs from its session. */
export interface CallOwner {
  control(type: FrameType, call: number, channel: number, payload?: Buffer): void;
  ready(call: Call, channel: number, writer: ChannelWriter): void;
  forget(call: Call): void;
}

/** The events of a call. Each side gets only its own. */
export interface CallHandlers {
  message?(message: unknown, payload: Buffer): void;
  /** At the agent: the host cancelled the call. */ cancelled?(): void;
  /** At the host: the call is over. If this returns an error, streams that have not ended fail with it. */
  closed?(outcome: unknown, payload: Buffer): Error | undefined;
  /** The session broke during the call. */ failed?(error: Error): void;
}

/** One operation, as either side sees it: up to three channels of bytes each way, and messages. */
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
    // A broken session fails streams that may have no reader. A reader still sees the error.
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

  /**
   * Whether the peer has sent everything that this side still wants: each reader has received its END, or was destroyed
   * here.
   */
  get received(): boolean {
    return [...this.#readers.values()].every((reader) => reader.finished || reader.destroyed);
  }

  /** Whether each writer has sent everything, including its END. */
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
   * At the host: cancels the call. Its streams close at once, with the reason if there is one. The agent still closes
   * the call.
   */
  cancel(reason?: Error): void {
    if (this.#over || this.#cancelled) return;
    this.#control(FRAME.cancel, 0);
    this.#cancelled = true;
    this.#halt(reason);
  }

  /** At the agent: the host cancelled the call. Streams close, and the agent sends nothing more than CLOSE. */
  abandon(): void {
    if (this.#over || this.#cancelled) return;
    this.#cancelled = true;
    this.handlers.cancelled?.();
    this.#halt(undefined);
  }

  /** At the agent: ends the call with its outcome. Streams that have not ended close. */
  close(outcome: Outcome): void {
    if (this.#over) return;
    this.#owner.control(FRAME.close, this.id, 0, Buffer.from(JSON.stringify(outcome)));
    this.over(undefined);
  }

  /** The call is over: streams that have not ended close, with the error if there is one. */
  over(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.forget(this);
    this.#halt(error);
  }

  /** The session broke during the call. */
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
