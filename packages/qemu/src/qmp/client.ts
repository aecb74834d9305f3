import type { Duplex } from "node:stream";
import { type Abortable, ConnectionError, ProtocolError } from "@pileus/core";
import { connectUnix, parse, withDeadline } from "@pileus/core/driver";
import {
  QMP_COMMANDS,
  type QmpArguments,
  type QmpCommandName,
  type QmpPlainCommandName,
  type QmpReturn,
} from "./commands.ts";
import { QmpBusyError, QmpCommandError } from "./errors.ts";
import { parseEvent, type QmpEvent, QmpEvents } from "./events.ts";
import { parseMessage, type QmpGreeting, type QmpMessage } from "./message.ts";
import { LineTransport, MAX_LINE } from "./transport.ts";

const GREETING_TIMEOUT = 5000;

/** How a session with a monitor is opened, and what it tolerates. */
export interface QmpOptions extends Abortable {
  /** How long to wait for the greeting, and then for the answer to the negotiation, in milliseconds. Default 5000. */
  readonly greetingTimeout?: number | undefined;
  /** The longest accepted line, in bytes. Default 8 MiB. */
  readonly maxLine?: number | undefined;
  /** Called for each line that could not be read; the session goes on. */
  readonly onProtocolError?: ((error: ProtocolError) => void) | undefined;
}

/** What a command returned, and the whole line of the answer. */
interface Answer {
  readonly value: unknown;
  readonly line: string;
}

interface GreetingWait {
  resolve(greeting: QmpGreeting): void;
  reject(reason: unknown): void;
}

interface Pending {
  readonly command: string;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

/**
 * One session with a QEMU monitor (QMP): commands, each with its answer, and events. Commands may be called at the same
 * time; QEMU answers them in order. Disposing closes the connection and leaves the machine alone.
 */
export class QmpClient implements AsyncDisposable {
  /** The name of the connection in errors. */
  readonly peer: string;
  readonly events = new QmpEvents();
  /** Resolves when the session has ended: with the failure, or `undefined` after `close()` and an orderly end. */
  readonly closed: Promise<Error | undefined>;
  readonly #transport: LineTransport;
  readonly #pending = new Map<number, Pending>();
  readonly #onProtocolError: (error: ProtocolError) => void;
  #onGreeting: GreetingWait | undefined;
  #greeting: QmpGreeting | undefined;
  #settleClosed: (failure: Error | undefined) => void = () => undefined;
  // Ids never repeat in a session: a late answer to an aborted command must not match another command.
  #lastId = 0;
  #ended: Error | undefined;

  private constructor(peer: string, stream: Duplex, options: QmpOptions) {
    this.peer = peer;
    this.#onProtocolError = options.onProtocolError ?? (() => undefined);
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#transport = new LineTransport(
      stream,
      {
        line: (text) => this.#read(text),
        oversized: (start) => this.#unreadable(new ProtocolError("QMP: a line exceeds the limit", start)),
        end: (error) => this.#end(error),
      },
      options.maxLine ?? MAX_LINE,
    );
  }

  /**
   * Connects to a monitor's unix socket and negotiates. @throws {QmpBusyError} when it says nothing: usually because
   * another client has it. @throws {ProtocolError} when it sends something else than a greeting. @throws {TimeoutError}
   * when it greets, and then does not answer. @throws {ConnectionError}
   */
  static async connect(path: string, options: QmpOptions = {}): Promise<QmpClient> {
    return QmpClient.open(await connectUnix(path, options), path, options);
  }

  /** Like `connect()`, over any byte stream. The client owns the stream from then on. */
  static async open(stream: Duplex, peer: string, options: QmpOptions = {}): Promise<QmpClient> {
    const client = new QmpClient(peer, stream, options);
    try {
      await client.#greet(options);
      const { signal, greetingTimeout: timeout = GREETING_TIMEOUT } = options;
      await withDeadline({ action: `negotiation with ${peer}`, timeout, signal }, (limited) =>
        client.execute("qmp_capabilities", {}, { signal: limited }),
      );
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** The first message of the monitor: version and capabilities. */
  get greeting(): QmpGreeting {
    if (this.#greeting === undefined) throw new TypeError("a QmpClient has its greeting before it is handed out");
    return this.#greeting;
  }

  /**
   * Runs a command and returns its checked result. Aborting stops the wait; it is then unknown whether QEMU ran the
   * command.
   *
   * @throws {QmpCommandError} when QEMU refuses it. @throws {ConnectionError} when the session ends first.
   * @throws {ProtocolError} when the answer cannot be read, or when another unreadable line arrived while this command
   * waited.
   */
  execute<C extends QmpPlainCommandName>(
    command: C,
    args?: QmpArguments<C>,
    options?: Abortable,
  ): Promise<QmpReturn<C>>;
  execute<C extends QmpCommandName>(command: C, args: QmpArguments<C>, options?: Abortable): Promise<QmpReturn<C>>;
  async execute<C extends QmpCommandName>(
    command: C,
    args?: QmpArguments<C>,
    options: Abortable = {},
  ): Promise<QmpReturn<C>> {
    const schema = QMP_COMMANDS[command];
    const checked = parse(schema.arguments, args ?? {}, `arguments of ${command}`) as Record<string, unknown>;
    const { value, line } = await this.#ask(command, checked, options);
    const result = schema.return.safeParse(value);
    if (result.success) return result.data as QmpReturn<C>;
    throw new ProtocolError(`QMP: ${command} returned an unexpected result`, line, { cause: result.error });
  }

  /** Runs any command, without checking its result. Otherwise like `execute()`. */
  async call(command: string, args: Readonly<Record<string, unknown>> = {}, options: Abortable = {}): Promise<unknown> {
    return (await this.#ask(command, args, options)).value;
  }

  async #ask(command: string, args: Readonly<Record<string, unknown>>, options: Abortable): Promise<Answer> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#ended !== undefined) throw this.#lost(`${command} was not sent`);
    const id = ++this.#lastId;
    let abort: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { command, resolve, reject });
        abort = () => reject(signal?.reason);
        signal?.addEventListener("abort", abort, { once: true });
        if (!this.#transport.write(JSON.stringify({ execute: command, arguments: args, id })))
          reject(new ConnectionError(this.peer, `it does not read what was sent before: ${command} was not sent`));
      });
    } finally {
      this.#pending.delete(id);
      if (abort !== undefined) signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends the session. Pending commands fail with a {@link ConnectionError}. Idempotent. */
  async close(): Promise<void> {
    this.#end(undefined);
    this.#transport.close();
  }

  /** Closes the connection and waits until it is closed. QEMU runs on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #greet(options: QmpOptions): Promise<void> {
    const { signal, greetingTimeout = GREETING_TIMEOUT } = options;
    let cleanUp = () => {};
    try {
      this.#greeting = await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(this.#noGreeting(greetingTimeout)), greetingTimeout);
        const abort = () => reject(signal?.reason);
        signal?.addEventListener("abort", abort, { once: true });
        cleanUp = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
        };
        this.#onGreeting = { resolve, reject };
        void this.closed.then(() => reject(this.#lost("it ended before its greeting")));
        if (signal?.aborted) abort();
      });
    } finally {
      cleanUp();
      this.#onGreeting = undefined;
    }
  }

  // Silence alone is the sign of a monitor that has another client: QEMU accepts a connection at once, and greets it
  // when the earlier client has gone.
  #noGreeting(waited: number): Error {
    if (!this.#transport.heard) return new QmpBusyError(this.peer, waited);
    return new ProtocolError(
      `QMP: ${this.peer} sent no greeting within ${waited} ms, but the beginning of something else`,
      "",
    );
  }

  #read(line: string): void {
    if (this.#onGreeting !== undefined) this.#readGreeting(line, this.#onGreeting);
    else this.#readMessage(line);
  }

  #readGreeting(line: string, { resolve, reject }: GreetingWait): void {
    this.#onGreeting = undefined;
    try {
      const message = parseMessage(line);
      if (message.kind === "greeting") resolve(message.greeting);
      else reject(new ProtocolError(`QMP: ${this.peer} sent something else than a greeting first`, line));
    } catch (error) {
      reject(error);
    }
  }

  #readMessage(line: string): void {
    let message: QmpMessage;
    try {
      message = parseMessage(line);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#unreadable(error);
      return;
    }
    if (message.kind === "event") {
      this.#readEvent(message, line);
      return;
    }
    if (message.kind === "greeting") {
      this.#unreadable(new ProtocolError("QMP: a second greeting", line));
      return;
    }
    const { id } = message;
    if (id === undefined && message.kind === "error") {
      this.#unreadable(new ProtocolError(`QMP: the server could not read its input: ${message.description}`, line));
      return;
    }
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    if (message.kind === "return") pending.resolve({ value: message.value, line });
    else pending.reject(new QmpCommandError({ ...message, command: pending.command }));
  }

  #readEvent(message: Extract<QmpMessage, { kind: "event" }>, line: string): void {
    let event: QmpEvent;
    try {
      event = parseEvent(message.name, message.data, message.at, line);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#onProtocolError(error);
      return;
    }
    this.events.emit(event);
  }

  // An unreadable line may have been the answer to any command: no command may wait for it forever.
  #unreadable(error: ProtocolError): void {
    this.#onGreeting?.reject(error);
    for (const pending of this.#pending.values()) {
      const message = `QMP: the answer to ${pending.command} may be the line that could not be read`;
      pending.reject(new ProtocolError(message, error.received, { cause: error }));
    }
    this.#onProtocolError(error);
  }

  #end(failure: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = failure ?? new Error("closed");
    for (const pending of this.#pending.values()) pending.reject(this.#lost(`${pending.command} was not answered`));
    this.events.end();
    this.#settleClosed(failure);
  }

  #lost(consequence: string): ConnectionError {
    const why = this.#ended?.message ?? "closed";
    return new ConnectionError(this.peer, `${why}: ${consequence}`, { cause: this.#ended });
  }
}
