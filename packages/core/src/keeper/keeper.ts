import type { Abortable } from "../flow/abortable.ts";
import { abortable } from "../flow/deadline.ts";
import { connectUnix } from "../system/unix-socket.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import { KeeperConnection, keeperSocket } from "./connection.ts";
import { type KeeperExit, parseKeeperExit, readExitFile } from "./exit-record.ts";
import { ASK, type KeeperMessage, type KeeperState } from "./messages.ts";
import { words } from "./order.ts";

/** What a {@link Keeper} reports as it happens. */
export interface KeeperEvents {
  /** The program runs: also after each reboot inside. */
  started?(program: number, boots: number): void;
  /** The program has ended. The run ends, or starts it again. */
  down?(status: number, rebooting: boolean): void;
}

const NOTHING: KeeperState = {
  state: "configured",
  keeper: 0,
  program: 0,
  boots: 0,
  streams: "pipes",
  holder: 0,
  rebooting: false,
};

/** How long a keeper may take to write what was printed into the log, in milliseconds. It takes less than one. */
const SYNC_TIME = 5000;

/** The keeper of one run, as this process sees it. Many processes can hold one. */
export class Keeper {
  /** How the run ended. `undefined`: the keeper itself has ended, and says nothing of the run. Never rejects. */
  readonly exit: Promise<KeeperExit | undefined>;
  readonly #connection: KeeperConnection;
  #state: KeeperState = NOTHING;
  #syncs = 0;

  /** `run` is the folder of the run. To be made in the same turn as the connection, so that it hears everything. */
  constructor(run: string, connection: KeeperConnection, events: KeeperEvents = {}) {
    this.#connection = connection;
    this.exit = new Promise((resolve) => {
      connection.listen((message) => {
        this.#follow(message, events);
        if (message.kind === "exit") resolve(parseKeeperExit(message.text));
      });
      // It may have ended before it could send it.
      const read = () => readExitFile(run, this.#state.holder);
      void connection.closed.then(read).then(resolve, () => resolve(undefined));
    });
  }

  /** What it is doing, by its latest message. Before the first, it does nothing. */
  get state(): KeeperState {
    return this.#state;
  }

  /** Resolves when everything that the program printed before this call is in the log. */
  async sync(options: Abortable = {}): Promise<void> {
    const id = ++this.#syncs;
    const synced = this.#connection.answer((message) => (message.kind === "synced" && message.id === id) || undefined, {
      ...options,
      timeout: SYNC_TIME,
    });
    this.#connection.send(ASK.sync, words([id]));
    await synced;
  }

  /** Sets the size of the terminal, if the program has one. Resolves when it is set. */
  async resize({ columns, rows }: TerminalSize, options: Abortable = {}): Promise<void> {
    this.#connection.send(ASK.resize, words([columns, rows]));
    // A keeper follows the frames of a connection in their order.
    await this.sync(options);
  }

  /** Kills the program, and each that a reboot would start in its place. Does nothing when the keeper has ended. */
  kill(): void {
    this.#connection.send(ASK.kill);
  }

  /** Leaves the run alone. {@link exit} then tells what is known by then. */
  detach(): void {
    this.#connection.close();
  }

  /** Whether it keeps this process alive. */
  ref(on: boolean): void {
    this.#connection.ref(on);
  }

  #follow(message: KeeperMessage, events: KeeperEvents): void {
    if (message.kind === "started") {
      const { program, boots, holder } = message;
      this.#state = { ...this.#state, state: "running", program, boots, holder, rebooting: false };
      events.started?.(program, boots);
    } else if (message.kind === "down") {
      this.#state = { ...this.#state, state: "down", rebooting: message.rebooting };
      events.down?.(message.status, message.rebooting);
    } else if (message.kind === "exit") this.#state = { ...this.#state, state: "ended" };
    else if (message.kind === "hello") this.#state = message;
  }
}

/** Finds the keeper of a run that another process started. @throws {ConnectionError} when there is none. */
export async function findKeeper(run: string, events: KeeperEvents = {}, options: Abortable = {}): Promise<Keeper> {
  const connection = new KeeperConnection(await connectUnix(keeperSocket(run), options));
  const keeper = new Keeper(run, connection, events);
  try {
    await abortable(connection.hello, options.signal);
    return keeper;
  } catch (error) {
    keeper.detach();
    throw error;
  }
}
