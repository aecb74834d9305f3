import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { type Abortable, ConnectionError, type ExitStatus } from "@pileus/core";
import {
  abortable,
  type BackendProcess,
  type Idmap,
  ownerOutside,
  sendDescriptors,
  socketPair,
} from "@pileus/core/driver";
import { type ExecHelpers, noRoom } from "./helper.ts";
import {
  encodeRequest,
  encodeResize,
  encodeSignal,
  type HelperRequest,
  messageSocket,
  programMessages,
} from "./protocol.ts";
import { openPipes, type ProgramPipes, terminalStream } from "./streams.ts";

/** How long an abandoned program may take to end, in milliseconds. It usually takes one. */
const ABANDON_TIMEOUT = 1000;

/** What an exec must know about its container. */
export interface ExecTarget {
  readonly name: string;
  readonly idmap: Idmap | undefined;
}

/**
 * Starts a program inside: the container's helper starts it and stays its parent. See
 * docs/design/0002-exec-in-containers.md.
 *
 * `asked` may still be pending: to enter the container takes longer than to look up a user.
 */
export async function execInside(
  helpers: ExecHelpers,
  target: ExecTarget,
  kind: BackendProcess["streams"]["kind"],
  asked: Promise<HelperRequest>,
  options: Abortable,
): Promise<BackendProcess> {
  // A rejection is handled below, if the code gets there.
  asked.catch(() => undefined);
  using _ = helpers.enter();
  const request = await abortable(asked, options.signal).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    throw error;
  });
  const pipes = openPipes();
  // At once: a program may have ended, and its terminal with it, before this process hears that it has begun.
  const streams = streamsOf(pipes, kind);
  let program: ServedProgram | undefined;
  try {
    pipes.setOwner(ownerOutside(target.idmap, request));
    // Everything is on its way before a process inside gets the connection, which therefore never waits.
    program = new ServedProgram(target.name, pipes, kind, request);
    pipes.handOver();
    program.enter(helpers, options);
    await program.begun;
    options.signal?.throwIfAborted();
  } catch (error) {
    await program?.dismiss();
    pipes.destroy();
    options.signal?.throwIfAborted();
    throw error;
  }
  const { exit } = program;
  const served = program;
  return {
    streams,
    exit,
    kill: async (signal) => served.send(encodeSignal(signal)),
    resize: async (size) => served.send(encodeResize(size)),
    release: () => served.abandon(),
  };
}

function streamsOf(pipes: ProgramPipes, kind: BackendProcess["streams"]["kind"]): BackendProcess["streams"] {
  const { stdin, stdout, stderr } = pipes;
  return kind === "pipes" ? { kind, stdin, stdout, stderr } : { kind, tty: terminalStream(pipes) };
}

/** A program, and the connection to the process inside that serves it. */
class ServedProgram {
  readonly #control: Socket;
  readonly #theirs: number;
  /** Settles when the program runs or could not be started. In the second case `exit` has the result. */
  readonly begun: Promise<void>;
  readonly exit: Promise<ExitStatus>;
  readonly #closed: Promise<void>;
  readonly #fail: (error: unknown) => void;

  constructor(container: string, pipes: ProgramPipes, kind: BackendProcess["streams"]["kind"], request: HelperRequest) {
    const [ours, theirs] = socketPair();
    this.#theirs = theirs;
    const [stdin, stdout, stderr] = pipes.theirs;
    try {
      sendDescriptors(ours, [stdin, stdout, kind === "tty" ? stdout : stderr]);
    } catch (error) {
      for (const fd of [ours, theirs]) closeSync(fd);
      throw error;
    }
    let over = false;
    const begun = deferred<void>();
    const exit = deferred<ExitStatus>();
    this.begun = begun.promise;
    this.exit = exit.promise;
    this.#fail = (error) => {
      begun.reject(error);
      exit.reject(error);
    };
    const decode = programMessages();
    this.#control = messageSocket(ours, (bytes) => {
      for (const message of decode(bytes)) {
        if (message.kind === "crowded") this.#fail(noRoom(container));
        over ||= message.kind !== "started";
        if (message.kind === "failed") exit.resolve({ kind: "exited", code: message.code });
        if (message.kind === "ended") {
          exit.resolve(message.status);
          // The rest of its group must not keep this process alive.
          this.#control.unref();
        }
        begun.resolve();
      }
    });
    this.#control.write(encodeRequest(request));
    this.#closed = new Promise((resolve) => this.#control.once("close", () => resolve()));
    void this.#closed.then(() => {
      if (!over) this.#fail(new ConnectionError(`a program in container "${container}"`, "it ended without a message"));
    });
  }

  /** Has the program served inside. An abort, or a failure to get there, ends it. */
  enter(helpers: ExecHelpers, { signal }: Abortable): void {
    const abort = () => void this.#control.end();
    signal?.addEventListener("abort", abort, { once: true });
    helpers.serve(this.#theirs, this.#closed, { signal }).catch((error: unknown) => {
      this.#fail(error);
      this.abandon();
    });
    const over = () => signal?.removeEventListener("abort", abort);
    this.begun.then(over, over);
  }

  send(frame: Buffer): void {
    if (this.#control.writable) this.#control.write(frame);
  }

  /**
   * Kills the program with everything it started, or keeps it from starting. After the program's end, the processes
   * that it left live on.
   */
  abandon(): void {
    this.#control.destroy();
  }

  /**
   * Ends the program, and resolves when nothing of it is left inside. Does not wait for long if the processes inside
   * are frozen.
   */
  async dismiss(): Promise<void> {
    this.#control.end();
    const late = setTimeout(() => this.abandon(), ABANDON_TIMEOUT);
    await this.#closed;
    clearTimeout(late);
  }
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // There may be no listener: a rejection must not count as unhandled.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
