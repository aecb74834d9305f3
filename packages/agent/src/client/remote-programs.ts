import type { Readable } from "node:stream";
import { type Abortable, type ExitStatus, isInstanceError } from "@pileus/core";
import {
  DETACHED_KEPT,
  type DetachedInfo,
  type DetachedRequest,
  type OutputChunk,
  parseJson,
} from "@pileus/core/driver";
import { z } from "zod";
import type { ChannelReader } from "../protocol/channel-reader.ts";
import { MAX_CALL } from "../protocol/frame.ts";
import { type CallRequest, ExitSchema, type HostMessage, ProgramSchema } from "../protocol/messages.ts";
import { outputChunks } from "../protocol/output-chunk.ts";
import { type Limits, within } from "./deadline.ts";
import type { HostSession } from "./host-session.ts";

/** The programs in the guest that go on without this session. Unknown ids are a `NotFoundError`. */
export class RemotePrograms {
  readonly #session: HostSession;
  readonly #timeout: number;

  /** `timeout` limits everything but the end of a program and the reading of its output, in milliseconds. */
  constructor(session: HostSession, timeout: number) {
    this.#session = session;
    this.#timeout = timeout;
  }

  /** An abort, or the end of the session, before it resolves leaves no program. */
  async start({ id, argv, env, cwd, user }: DetachedRequest, options: Abortable): Promise<DetachedInfo> {
    options.signal?.throwIfAborted();
    const startedAt = Date.now();
    const { call, started, outcome } = this.#session.begin({
      method: "detach",
      id,
      at: startedAt,
      argv,
      env,
      cwd,
      user,
    });
    outcome.catch(() => undefined);
    const action = `start of ${argv[0]} in the guest`;
    await within(started, action, this.#limits(options), () => call.cancel());
    call.send({ type: "keep" } satisfies HostMessage);
    // It is on record from then on, whatever is heard of it.
    const undo = () => void this.signal(id, "SIGKILL", {}).catch(() => undefined);
    await within(outcome, action, this.#limits(options), undo);
    return { id, argv, startedAt, state: "running" };
  }

  /** Those on record, the oldest first. */
  async list(options: Abortable): Promise<readonly DetachedInfo[]> {
    const stream = await this.#read({ method: "programs" }, this.#limits(options));
    const lines: Buffer[] = [];
    let size = 0;
    const all = async () => {
      for await (const bytes of stream as AsyncIterable<Buffer>) {
        size += bytes.length;
        if (size > MAX_LIST) this.#session.checked(z.never(), undefined, bytes);
        lines.push(bytes);
      }
      return Buffer.concat(lines).toString().split("\n").slice(0, -1);
    };
    const texts = await within(all(), "the list of programs in the guest", this.#limits(options), () =>
      stream.destroy(),
    );
    if (texts.length > DETACHED_KEPT.programs) this.#session.checked(z.never(), undefined, Buffer.from(texts.join()));
    return texts.map((text) => {
      const { id, argv, startedAt, exit, endedAt } = this.#session.checked(
        ProgramSchema,
        parsed(text),
        Buffer.from(text),
      );
      if (exit === undefined) return { id, argv, startedAt, state: "running" };
      return { id, argv, startedAt, state: "ended", exit: exit as ExitStatus, endedAt: endedAt ?? startedAt };
    });
  }

  /** What a program has printed. Ends with the program, or with an abort. */
  async attach(id: string, from: { readonly offset: number; readonly follow: boolean }, options: Abortable) {
    const { offset, follow } = from;
    // A frozen guest answers after its thaw, as it prints.
    const limits = { ...options, timeout: Number.POSITIVE_INFINITY };
    const stream = await this.#read({ method: "attach", id, offset, follow }, limits);
    return this.#chunks(stream, offset, options);
  }

  async *#chunks(stream: Readable, offset: number, { signal }: Abortable): AsyncGenerator<OutputChunk, void> {
    const leave = () => stream.destroy();
    signal?.addEventListener("abort", leave, { once: true });
    if (signal?.aborted) leave();
    const decode = outputChunks(offset);
    try {
      for await (const bytes of stream as AsyncIterable<Buffer>) {
        const pieces = decode(bytes);
        if (pieces === "malformed") return void this.#session.checked(z.never(), undefined, bytes.subarray(0, 64));
        for (const { stream, offset, data } of pieces)
          yield { stream: stream === 1 ? "stdout" : "stderr", offset, data: Buffer.from(data) };
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw error;
    } finally {
      signal?.removeEventListener("abort", leave);
      stream.destroy();
    }
  }

  /** How a program ended, as soon as it has. An abort ends the wait alone. */
  async wait(id: string, { signal }: Abortable): Promise<ExitStatus> {
    const limits = { signal, timeout: Number.POSITIVE_INFINITY };
    return (await this.#session.ask({ method: "wait", id }, ExitSchema, limits)).status as ExitStatus;
  }

  /** Sends a signal to a program's group. Nothing, if it has ended or is not on record any more. */
  async signal(id: string, signal: Extract<CallRequest, { method: "signal" }>["signal"], options: Abortable) {
    try {
      await this.#session.ask({ method: "signal", id, signal }, z.unknown(), this.#limits(options));
    } catch (error) {
      if (!isInstanceError(error, "ERR_PROCESS_NOT_FOUND")) throw error;
    }
  }

  async #read(request: CallRequest, limits: Limits): Promise<Readable> {
    limits.signal?.throwIfAborted();
    let reader: ChannelReader | undefined;
    const { call, started, outcome } = this.#session.begin(request, (made) => {
      reader = made.reader(1);
    });
    outcome.catch(() => undefined);
    const stream = reader as unknown as ChannelReader;
    // A reader that leaves ends the call, which would else go on to the end of the program.
    stream.once("close", () => call.cancel());
    await within(started, `${request.method} in the guest`, limits, () => call.cancel());
    return stream;
  }

  #limits({ signal }: Abortable): Limits {
    return { signal, timeout: this.#timeout };
  }
}

/** An agent keeps a list to the size of one call; that of a start may come on top. */
const MAX_LIST = 2 * MAX_CALL;

function parsed(line: string): unknown {
  try {
    return parseJson(line);
  } catch {
    return undefined;
  }
}
