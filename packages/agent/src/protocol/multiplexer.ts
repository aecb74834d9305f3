import { Buffer } from "node:buffer";
import { parseJson } from "@pileus/core/files";
import { Call, type CallOwner } from "./call.ts";
import type { ChannelWriter } from "./channel-writer.ts";
import { encodeFrame, encodeHeader, FRAME, type FrameHeader, type FrameType, MAX_CALL, MAX_CALLS } from "./frame.ts";
import type { Link } from "./link.ts";
import { BUSY } from "./reasons.ts";

/** Options of a {@link Multiplexer}. */
export interface MultiplexerOptions {
  readonly link: Link;
  readonly side: "host" | "agent";
  /** The most payload bytes of a DATA frame that it sends. */
  readonly dataSize: number;
  /** At the agent: a call begins. Must make the call's readers before it returns. */
  readonly accept?: ((call: Call, request: unknown) => void) | undefined;
  /** A call is over. */
  readonly over?: (() => void) | undefined;
  /** The last open call is over. */
  readonly idle?: (() => void) | undefined;
  /** The peer broke the protocol. */
  readonly violated: (reason: string, received: Buffer) => void;
}

/** The most bytes of control frames that may wait for a peer to read them: four CALLs of the maximum size. */
export const MAX_BACKLOG = 4 * MAX_CALL;

interface Ready {
  readonly call: Call;
  readonly channel: number;
  readonly writer: ChannelWriter;
}

/**
 * Many calls over one link. Messages are sent before data. Channels with data take turns, one frame each, so that no
 * transfer delays another. Data without credit, or for an unknown call, ends the session.
 */
export class Multiplexer implements CallOwner {
  readonly #options: MultiplexerOptions;
  readonly #calls = new Map<number, Call>();
  readonly #control: Buffer[] = [];
  readonly #ready: Ready[] = [];
  readonly #waiting = new Set<ChannelWriter>();
  #backlog = 0;
  #next = 1;
  #room = true;
  #pumping = false;
  #dead: Error | undefined;

  constructor(options: MultiplexerOptions) {
    this.#options = options;
  }

  /** How many calls are open, including cancelled calls that the agent has not closed yet. */
  get size(): number {
    return this.#calls.size;
  }

  /** How many bytes of calls and messages the peer has not read yet. Beyond {@link MAX_BACKLOG} the session ends. */
  get backlog(): number {
    return this.#backlog;
  }

  /** At the host: begins a call. `prepare` makes its channels and handlers. */
  open(request: Buffer, prepare: (call: Call) => void): Call {
    const call = new Call(this, this.#next);
    // Numbers never repeat in a session: a late frame must not match another call.
    this.#next += 1;
    prepare(call);
    this.#calls.set(call.id, call);
    this.control(FRAME.call, call.id, 0, request);
    return call;
  }

  control(type: FrameType, call: number, channel: number, payload?: Buffer): void {
    if (this.#dead !== undefined) return;
    const frame = encodeFrame(type, call, channel, payload);
    this.#control.push(frame);
    this.#backlog += frame.length;
    this.#pump();
    if (this.#backlog > MAX_BACKLOG) this.#violated("it does not read what it is sent");
  }

  ready(call: Call, channel: number, writer: ChannelWriter): void {
    if (this.#dead !== undefined || this.#waiting.has(writer)) return;
    this.#waiting.add(writer);
    this.#ready.push({ call, channel, writer });
    this.#pump();
  }

  forget(call: Call): void {
    if (!this.#calls.delete(call.id)) return;
    this.#options.over?.();
    if (this.#calls.size === 0) this.#options.idle?.();
  }

  /** The link has room again. */
  drain(): void {
    this.#room = true;
    this.#pump();
  }

  /** Ends the session: every call fails with the error. */
  destroy(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#control.length = 0;
    this.#backlog = 0;
    this.#ready.length = 0;
    for (const call of [...this.#calls.values()]) call.fail(error);
  }

  #pump(): void {
    // The callback of a completed write may call this recursively.
    if (this.#pumping) return;
    this.#pumping = true;
    const { link, dataSize } = this.#options;
    while (this.#room && this.#dead === undefined) {
      if (this.#control.length > 0) {
        this.#backlog = 0;
        this.#room = link.send(this.#control.splice(0));
        continue;
      }
      const next = this.#ready.shift();
      if (next === undefined) break;
      const { call, channel, writer } = next;
      this.#waiting.delete(writer);
      const taken = writer.take(dataSize);
      if (taken === undefined) continue;
      if (taken === "end") this.#room = link.send([encodeHeader(FRAME.end, call.id, channel, 0)]);
      else this.#room = link.send([encodeHeader(FRAME.data, call.id, channel, taken.length), taken]);
      if (writer.waiting) this.ready(call, channel, writer);
    }
    this.#pumping = false;
  }

  /** A whole frame that is not DATA. */
  frame(header: FrameHeader, payload: Buffer): void {
    const { side } = this.#options;
    const call = this.#calls.get(header.call);
    if (header.type === FRAME.call) {
      this.#accept(header, payload);
      return;
    }
    if (call === undefined) {
      // The host may have sent this before it learned that the call was over. The agent sends nothing after CLOSE, so
      // from an agent this is a breach.
      if (side === "host") this.#violated(`a frame of type ${header.type} for call ${header.call}, which is not open`);
      return;
    }
    switch (header.type) {
      case FRAME.message:
        this.#json(payload, (message) => call.handlers.message?.(message, payload));
        return;
      case FRAME.end: {
        const reader = call.readerOf(header.channel);
        if (reader?.finish() !== true) this.#violated(`an END of channel ${header.channel}, which is not open`);
        return;
      }
      case FRAME.stop:
        call.writerOf(header.channel)?.halt();
        return;
      case FRAME.window: {
        const writer = call.writerOf(header.channel);
        if (writer?.grant(payload.readUInt32BE(0)) !== true)
          this.#violated("a WINDOW for a channel that is not open, or one that is too large");
        return;
      }
      case FRAME.cancel:
        if (side === "host") {
          this.#violated("a CANCEL from the agent");
          return;
        }
        call.abandon();
        return;
      case FRAME.close:
        if (side === "agent") {
          this.#violated("a CLOSE from the host");
          return;
        }
        this.#json(payload, (outcome) => call.over(call.handlers.closed?.(outcome, payload)));
        return;
    }
  }

  /** Bytes of a DATA frame. */
  data(header: FrameHeader, piece: Buffer, first: boolean): void {
    const call = this.#calls.get(header.call);
    if (call === undefined) {
      if (this.#options.side === "host") this.#violated(`DATA for call ${header.call}, which is not open`);
      return;
    }
    const reader = call.readerOf(header.channel);
    if (reader?.deliver(piece, first ? header.length : undefined) !== true)
      this.#violated(`DATA for channel ${header.channel}, which is not open or has no credit`);
  }

  #accept(header: FrameHeader, payload: Buffer): void {
    const { accept } = this.#options;
    if (accept === undefined) {
      this.#violated("a CALL from the agent");
      return;
    }
    if (this.#calls.has(header.call)) {
      this.#violated(`CALL ${header.call}, which is already open`);
      return;
    }
    this.#json(payload, (request) => {
      const call = new Call(this, header.call);
      this.#calls.set(call.id, call);
      if (this.#calls.size > MAX_CALLS)
        call.close({ ok: false, error: { reason: BUSY, message: "too many calls at once" } });
      else accept(call, request);
    });
  }

  #json(payload: Buffer, use: (value: unknown) => void): void {
    let value: unknown;
    try {
      value = parseJson(payload.toString());
    } catch {
      this.#violated("a payload that is not JSON, or nested too deeply", payload);
      return;
    }
    use(value);
  }

  #violated(reason: string, received: Buffer = Buffer.alloc(0)): void {
    if (this.#dead === undefined) this.#options.violated(reason, received);
  }
}
