import { Duplex } from "node:stream";
import { ConnectionError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { abortable } from "../flow/deadline.ts";
import { connectUnix } from "../system/unix-socket.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import { KeeperConnection, keeperSocket, tooMany } from "./connection.ts";
import { ASK, type KeeperWriter, MAX_INPUT } from "./messages.ts";
import { words } from "./order.ts";

/** Options of {@link openKeeperStream}. */
export interface KeeperStreamOptions extends Abortable {
  /** What to read. Default: standard output, or the terminal. */
  readonly stream?: "output" | "error" | undefined;
  /** How many bytes of what was printed before come first, at most: the keeper has the last 64 KiB. Default: all. */
  readonly history?: number | undefined;
}

const ALL = 0xffffffff;

/**
 * What a program prints, as it prints it, and a way to write to it. Reading ends with the run, or with
 * {@link Duplex.destroy}. A reader that is slower than the program loses the oldest, at most once it is 64 KiB behind.
 */
export class KeeperStream extends Duplex {
  readonly #connection: KeeperConnection;
  #at: bigint | undefined;
  #ended = false;
  #lost = 0;
  #writer: KeeperWriter | undefined;
  /** Resolves when it may read. */
  readonly #granted: Promise<void>;

  constructor(connection: KeeperConnection, which: 0 | 1, history: number) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    connection.listen((message) => {
      if (message.kind === "data" && message.stream === which) {
        if (this.#at !== undefined) this.#lost += Number(message.offset - this.#at);
        this.#at = message.offset + BigInt(message.bytes.length);
        if (!this.push(message.bytes)) connection.pause(true);
      } else if (message.kind === "exit") {
        this.#ended = true;
        this.push(null);
      } else if (message.kind === "taken") {
        this.#writer = undefined;
        this.emit("taken", { pid: message.pid });
      }
    });
    void connection.closed.then(() => {
      if (!this.#ended) this.destroy(new ConnectionError("the keeper of a run", "it ended"));
    });
    this.#granted = this.#beGranted();
    this.#granted.catch(() => undefined);
    connection.send(ASK.read, words([1 << which, history]));
  }

  /** Resolves once it reads. @throws {HostError} when the keeper has as many readers as it takes. */
  opened(options: Abortable): Promise<void> {
    return abortable(this.#granted, options.signal);
  }

  async #beGranted(): Promise<void> {
    const unheard = new AbortController();
    const { signal } = unheard;
    const answer = this.#connection.answer(
      (message) => {
        if (message.kind !== "reading") return undefined;
        if (!message.granted) throw tooMany(message.limit);
        return true;
      },
      { signal },
    );
    answer.catch(() => undefined);
    const { version } = await this.#connection.hello;
    if (version >= 2) await answer;
    // A keeper of an earlier release does not answer: nothing waits for that.
    else unheard.abort();
  }

  /** How many bytes this reader has lost, because it was too slow. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Becomes the one that writes. With `take`, in place of another client, which hears the event `taken` with `pid`. The answer says
   * who writes now.
   */

  async claim({ take = false, ...options }: Abortable & { readonly take?: boolean } = {}): Promise<KeeperWriter> {
    const answer = this.#connection.answer((message) => (message.kind === "writer" ? message : undefined), options);
    this.#connection.send(ASK.write, words([take ? 1 : 0]));
    const writer = await answer;
    if (writer.granted) this.#writer = writer;
    return writer;
  }

  /** Sets the size of the terminal. */
  resize({ columns, rows }: TerminalSize): void {
    this.#connection.send(ASK.resize, words([columns, rows]));
  }

  /** For `node:stream`. */
  override _read(): void {
    this.#connection.pause(false);
  }

  /** For `node:stream`. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#writer === undefined) {
      callback(new ConnectionError("the input of a program", "this stream is not its writer: call claim() before"));
      return;
    }
    for (let at = 0; at < chunk.length; at += MAX_INPUT)
      this.#connection.send(ASK.input, chunk.subarray(at, at + MAX_INPUT));
    this.#connection.drained().then(() => callback(), callback);
  }

  /** For `node:stream`. */
  override _final(callback: (error?: Error | null) => void): void {
    if (this.#writer !== undefined) this.#connection.send(ASK.endInput);
    callback();
  }

  /** For `node:stream`. */
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#connection.close();
    callback(error);
  }
}

/** Opens a stream of a run's program, in whatever process. @throws {ConnectionError} when the run has no keeper. */
export async function openKeeperStream(run: string, options: KeeperStreamOptions = {}): Promise<KeeperStream> {
  const { stream = "output", history = ALL } = options;
  const connection = new KeeperConnection(await connectUnix(keeperSocket(run), options));
  const opened = new KeeperStream(connection, stream === "output" ? 0 : 1, history);
  try {
    await opened.opened(options);
    return opened;
  } catch (error) {
    opened.on("error", () => undefined).destroy();
    throw error;
  }
}
