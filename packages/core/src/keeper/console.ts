import type { BackendConsole, ConsoleClaim } from "../contract/backend-console.ts";
import type { ConsoleWriter } from "../contract/console.ts";
import { ConnectionError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { connectUnix } from "../system/unix-socket.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import { KeeperConnection, keeperSocket } from "./connection.ts";
import { findKeeper } from "./keeper.ts";
import { ASK, MAX_INPUT } from "./messages.ts";
import { words } from "./order.ts";
import { openKeeperStream } from "./stream.ts";

/**
 * Opens the console of a run whose program has a terminal of its keeper. `run` is the folder of the run.
 *
 * @throws {ConnectionError} when the run has no keeper
 */
export async function keeperConsole(run: string, options: Abortable = {}): Promise<BackendConsole> {
  const output = await openKeeperStream(run, options);
  const typing = new Typing(run);
  output.once("close", () => typing.release());
  let resized: Promise<unknown> = Promise.resolve();
  return {
    output,
    claim: (how) => typing.claim(how),
    write: (bytes) => typing.write(bytes),
    release: async () => typing.release(),
    resize: (size) => {
      const done = resized.then(() => resizeTerminal(run, size));
      resized = done.catch(() => undefined);
      return done;
    },
    onTaken: (listener) => {
      typing.onTaken = listener;
    },
  };
}

/** By a connection of its own, because the answer would come late on one whose reader is slow. */
async function resizeTerminal(run: string, size: TerminalSize): Promise<void> {
  const keeper = await findKeeper(run);
  try {
    await keeper.resize(size);
  } finally {
    keeper.detach();
  }
}

/** The writer's side of a console: a connection of its own, because one that reads waits for whoever reads. */
class Typing {
  onTaken: (by: ConsoleWriter) => void = () => undefined;
  readonly #run: string;
  #connection: KeeperConnection | undefined;

  constructor(run: string) {
    this.#run = run;
  }

  async claim({ take, ...options }: Abortable & { readonly take: boolean }): Promise<ConsoleClaim> {
    const connection = this.#connection ?? (await this.#connect(options));
    this.#connection = connection;
    const answer = connection.answer((message) => (message.kind === "writer" ? message : undefined), options);
    connection.send(ASK.write, words([take ? 1 : 0]));
    const { granted, pid, since } = await answer;
    if (!granted) this.release();
    return { granted, pid, since };
  }

  async write(bytes: Buffer): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) throw new ConnectionError("the console", "another has taken over");
    for (let at = 0; at < bytes.length; at += MAX_INPUT) connection.send(ASK.input, bytes.subarray(at, at + MAX_INPUT));
    await connection.drained();
    if (connection.isClosed) throw new ConnectionError("the console", "its keeper has ended");
  }

  release(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(options: Abortable): Promise<KeeperConnection> {
    const connection = new KeeperConnection(await connectUnix(keeperSocket(this.#run), options));
    connection.listen((message) => {
      if (message.kind !== "taken" || this.#connection !== connection) return;
      this.release();
      this.onTaken({ pid: message.pid, since: Date.now() });
    });
    return connection;
  }
}
