import { closeSync, writeSync } from "node:fs";
import type { Socket } from "node:net";
import { type Abortable, ConnectionError, HostError } from "@pileus/core";
import { abortable, type Child, launch, sendDescriptors, socketPair } from "@pileus/core/driver";
import { EXEC_HELPER } from "../helpers.ts";
import { helperMessages, messageSocket } from "./protocol.ts";

/** How a helper gets into a container, and what it needs there. */
export interface HelperTarget {
  /** The name of the container. */
  readonly name: string;
  /** argv that runs the program at descriptor 4 inside: lxc-attach(1). */
  readonly argv: readonly string[];
  /** The environment of the tool itself, which passes none of it on. */
  readonly env: Readonly<Record<string, string>>;
  /** See `encodeConfinement()`. */
  readonly confinement: Buffer;
  /** How long the helper stays inside without a program, in milliseconds. */
  stayTime(): number;
}

/** How many connections may be on their way at once: the socket of a helper has room for some hundred. */
const UNDERWAY = 64;

/**
 * The helper inside a container that starts the programs of `exec`. The first program brings it in, and the next ones
 * find it there. It ends when it has had no program for a while, and with this process. See
 * docs/design/0002-exec-in-containers.md.
 */
export class ExecHelpers implements Disposable {
  readonly #target: HelperTarget;
  #current: Helper | undefined;
  #programs = 0;
  #underway = 0;
  #isDisposed = false;
  #idle: NodeJS.Timeout | undefined;
  readonly #queue: (() => void)[] = [];

  constructor(target: HelperTarget) {
    this.#target = target;
  }

  /**
   * Brings a helper in, if there is none. It stays at least until the result is disposed.
   *
   * @throws {ConnectionError} when the container has been let go.
   * @throws a system error when no process can be started.
   */
  enter(): Disposable {
    this.#programs += 1;
    clearTimeout(this.#idle);
    try {
      this.#helper();
    } catch (error) {
      this.#leave();
      throw error;
    }
    return { [Symbol.dispose]: () => this.#leave() };
  }

  /**
   * Gives the other end of a program's connection to the helper. Resolves when a process inside serves it. `closed` is
   * the end of the connection. `theirs` is closed here, whatever happens.
   *
   * @throws {ConnectionError} when no helper gets into the container, or it cannot confine itself, or the container has
   * been let go.
   * @throws {HostError} when the container has no room for one more process.
   */
  async serve(theirs: number, closed: Promise<void>, options: Abortable): Promise<void> {
    this.#programs += 1;
    void closed.then(() => this.#leave());
    try {
      if (this.#underway >= UNDERWAY) await new Promise<void>((resolve) => this.#queue.push(resolve));
      this.#underway += 1;
      try {
        await this.#give(theirs, options);
      } finally {
        this.#underway -= 1;
        this.#queue.shift()?.();
      }
    } finally {
      closeSync(theirs);
    }
  }

  /** Lets the container go: the helper ends with its last program, and starts no other. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#idle);
    this.#current?.[Symbol.dispose]();
    this.#current = undefined;
  }

  async #give(theirs: number, options: Abortable): Promise<void> {
    for (;;) {
      options.signal?.throwIfAborted();
      const helper = this.#helper();
      const outcome = await helper.give(theirs, options);
      if (outcome === "taken") return;
      // Somebody inside has ended it: no process got the connection.
      if (this.#current === helper) this.#current = undefined;
    }
  }

  #helper(): Helper {
    if (this.#isDisposed)
      throw new ConnectionError(`a program in container "${this.#target.name}"`, "this host was closed meanwhile");
    // What it has served goes on; what it has not taken up has ended.
    if (this.#current?.isDoubtful) this.#current[Symbol.dispose]();
    if (this.#current === undefined || this.#current.hasEnded) this.#current = new Helper(this.#target);
    return this.#current;
  }

  #leave(): void {
    this.#programs -= 1;
    if (this.#programs > 0 || this.#isDisposed) return;
    this.#idle = setTimeout(() => this.#end(), this.#target.stayTime());
    this.#idle.unref();
  }
}

/**
 * How long a helper may take to get into a container before it is replaced, in milliseconds. It takes some tens; on a busy
 * host a second was seen. To kill lxc-attach on its way in would leave a zombie under a PID 1 that does not reap.
 */
const ENTER_TIME = 10_000;

/** A helper, with the lxc-attach that has brought it in. */
class Helper implements Disposable {
  readonly #name: string;
  readonly #child: Child;
  readonly #control: Socket;
  readonly #descriptor: number;
  readonly #waiting = new Map<number, { resolve(outcome: "taken" | "gone"): void; reject(error: unknown): void }>();
  /** Those that were given up, and that it has not taken up since. */
  readonly #doubts = new Set<number>();
  readonly #since = performance.now();
  #last = 0;
  #hasServed = false;
  #hasEnded = false;

  constructor({ name, argv, env, confinement }: HelperTarget) {
    this.#name = name;
    const [ours, theirs] = socketPair();
    this.#descriptor = ours;
    try {
      // Before anything else, and while the socket still waits.
      writeSync(ours, confinement);
      this.#child = launch(argv, {
        descriptors: ["ignore", "ignore", "ignore", theirs, EXEC_HELPER.descriptor()],
        env,
      });
    } catch (error) {
      closeSync(ours);
      throw error;
    } finally {
      closeSync(theirs);
    }
    const decode = helperMessages();
    this.#control = messageSocket(ours, (bytes) => {
      for (const message of decode(bytes)) {
        if (message.kind === "broken") this.#end(this.#failure(`it cannot be confined: error ${message.errno}`));
        else this.#answer(message.number, message.kind);
      }
    });
    // Only its programs keep this process alive.
    this.#child.unref();
    this.#control.unref();
    this.#control.once("close", () => this.#end(this.#failure("it ended without a message")));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Whether the next program should get another: somebody inside may have stopped this one, or it does not get into the
   * container.
   */
  get isDoubtful(): boolean {
    const hasHadTime = this.#hasServed || performance.now() - this.#since > ENTER_TIME;
    return hasHadTime && this.#doubts.size > 0 && this.#waiting.size === 0;
  }

  /**
   * Resolves with `gone` when the helper ended before it took the connection, although it has taken others. After an abort
   * it may still take it, but starts no program whose connection has ended (helper/program.h).
   */
  async give(connection: number, { signal }: Abortable): Promise<"taken" | "gone"> {
    const number = ++this.#last;
    const answer = new Promise<"taken" | "gone">((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
    try {
      this.#send(connection, number);
      return await abortable(answer, signal);
    } catch (error) {
      if (this.#waiting.delete(number) && signal?.aborted) this.#doubts.add(number);
      throw error;
    }
  }

  #send(connection: number, number: number): void {
    try {
      sendDescriptors(this.#descriptor, [connection], number);
    } catch (error) {
      // It has ended, which the closed connection is about to tell.
      if (!["EPIPE", "ECONNRESET"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }

  /** It ends when no program is left that it serves. */
  [Symbol.dispose](): void {
    this.#hasEnded = true;
    this.#control.destroy();
    // lxc-attach waits for it: one that is frozen does not end.
    if (!this.#hasServed) this.#child.kill("SIGKILL");
  }

  #answer(number: number, kind: "taken" | "refused"): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    this.#doubts.delete(number);
    this.#hasServed = true;
    if (kind === "taken") waiting?.resolve("taken");
    else waiting?.reject(noRoom(this.#name));
  }

  #failure(why: string): ConnectionError {
    return new ConnectionError(`a program in container "${this.#name}"`, why);
  }

  #end(error: unknown): void {
    this.#hasEnded = true;
    this.#control.destroy();
    for (const { resolve, reject } of this.#waiting.values()) {
      if (this.#hasServed) resolve("gone");
      else reject(error);
    }
    this.#waiting.clear();
  }
}

/** The error for a container in which no process can be started. */
export function noRoom(name: string, cause?: unknown): HostError {
  const missing = {
    need: "processes",
    reason: "the container is at its limit of processes or memory, or something inside kills what serves its programs",
    fix: "end programs inside, or raise limits.processes or limits.memory",
  };
  return new HostError(`run a program in container "${name}"`, [missing], { cause });
}
