import type { Socket } from "node:net";
import { join } from "node:path";
import { ConnectionError, HostError, isInstanceError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { abortable, withDeadline } from "../flow/deadline.ts";
import { ASK, encodeFrame, type KeeperMessage, type KeeperState, keeperMessages, PROTOCOL } from "./messages.ts";
import { words } from "./order.ts";

/** The time limit of a keeper's first answer, in milliseconds. It takes less than one. */
const ANSWER_TIME = 5000;

/** The socket of the keeper of a run. */
export function keeperSocket(run: string): string {
  return join(run, "keeper.sock");
}

/** The error of a keeper that has as many connections of a kind as it takes. */
export function tooMany(limit: number): HostError {
  const reason = `all ${limit} are in use`;
  const fix = "destroy the consoles that nobody needs, and end processes that hold the instance for no reason";
  return new HostError("connect to the keeper of a run", [{ need: "connections to a keeper", reason, fix }]);
}

/** One connection to a keeper. */
export class KeeperConnection {
  /** What the keeper was doing when it answered. */
  readonly hello: Promise<KeeperState & { readonly version: number }>;
  /** Resolves when the connection has ended, and never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #listeners = new Set<(message: KeeperMessage) => void>();
  #failure: Error | undefined;

  /** Takes over a socket, and says hello, unless that was said already. */
  constructor(socket: Socket, options: { readonly greeted?: boolean } = {}) {
    this.#socket = socket;
    if (!options.greeted) this.send(ASK.hello, words([PROTOCOL]));
    const decode = keeperMessages();
    socket.on("data", (bytes: Buffer) => {
      try {
        for (const message of decode(bytes)) {
          if (message.kind === "reading" && !message.granted) this.#failure = tooMany(message.limit);
          for (const listener of [...this.#listeners]) listener(message);
        }
      } catch (error) {
        this.#failure = error as Error;
        socket.destroy();
      }
    });
    // A broken connection is handled as its end.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    this.hello = this.answer((message) => (message.kind === "hello" ? message : undefined), {});
    this.hello.catch(() => undefined);
  }

  /** Calls a function for each message from now on, until the returned function is called. */
  listen(listener: (message: KeeperMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends a frame. Returns false when the socket has enough to do. */
  send(kind: number, payload?: Uint8Array): boolean {
    return this.#socket.write(encodeFrame(kind, payload));
  }

  /** Resolves when the socket takes more. */
  async drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain) return;
    const drain = new Promise<void>((resolve) => this.#socket.once("drain", resolve));
    await Promise.race([drain, this.closed]);
  }

  /**
   * Resolves with what `pick` makes of the first message for which it makes something.
   *
   * @throws {ConnectionError} when the connection ends first. @throws {HostError} when it has no room for another.
   * @throws {TimeoutError} when it does not answer in time, by default in 5 seconds.
   */
  async answer<T>(
    pick: (message: KeeperMessage) => T | undefined,
    { signal, timeout = ANSWER_TIME }: Abortable & { readonly timeout?: number },
  ): Promise<T> {
    let stop = () => {};
    const answered = new Promise<T>((resolve, reject) => {
      const leave = this.listen((message) => {
        try {
          const picked = pick(message);
          if (picked !== undefined) resolve(picked);
        } catch (error) {
          reject(error);
        }
      });
      stop = () => void leave();
      void this.closed.then(() => reject(this.#ended()));
    });
    try {
      return await withDeadline({ action: "the answer of a keeper", timeout, signal }, (within) =>
        abortable(answered, within),
      );
    } finally {
      stop();
    }
  }

  /** Whether it keeps this process alive. */
  ref(on: boolean): void {
    if (on) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Whether it has ended. */
  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** Stops or resumes reading: the keeper then keeps what is new, up to its history. */
  pause(on: boolean): void {
    if (on) this.#socket.pause();
    else this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #ended(): Error {
    if (isInstanceError(this.#failure)) return this.#failure;
    return new ConnectionError("the keeper of a run", this.#failure?.message ?? "it ended", { cause: this.#failure });
  }
}
