import type { AgentClient } from "@pileus/agent";
import {
  type Abortable,
  ConnectionError,
  type ExitStatus,
  isInstanceError,
  type SignalName,
  type Timed,
  UnsupportedError,
} from "@pileus/core";
import {
  abortable,
  type BackendDetached,
  type BackendDetachedProgram,
  type DetachedInfo,
  type DetachedOutputOptions,
  type DetachedRequest,
  linkSignals,
  type OutputChunk,
} from "@pileus/core/driver";
import { FrozenNotes, type WaitingSignal } from "./frozen-notes.ts";
import { OLD_AGENT } from "./lacks.ts";

type Programs = NonNullable<AgentClient["programs"]>;

/** How a run reaches the programs of its guest. */
export interface GuestAccess {
  /** The name of the instance, for messages. */
  readonly name: string;
  /** `InstanceContext.run`. */
  readonly run: string;
  session(options: Abortable & Timed): Promise<AgentClient>;
  isFrozen(options: Abortable): Promise<boolean | undefined>;
  /** Is called when the processors of the guest stop. */
  readonly onStop: Set<() => void>;
}

/**
 * How long a list and a signal wait for an agent whose ports others use, in milliseconds: less than the engine waits for
 * the step, so that the error tells what to do.
 */
const LIST_TIMEOUT = 50_000;
const SIGNAL_TIMEOUT = 20_000;

const STOPPED = new Error("the guest was frozen meanwhile");

/**
 * The detached programs of a machine: its agent holds them, so they are forgotten when the guest boots again. A frozen
 * guest answers nothing: {@link FrozenNotes}.
 */
export class GuestPrograms implements BackendDetached {
  readonly #access: GuestAccess;
  readonly #notes: FrozenNotes;

  constructor(access: GuestAccess) {
    this.#access = access;
    this.#notes = new FrozenNotes(access.run);
  }

  async start(request: DetachedRequest, options: Abortable): Promise<DetachedInfo> {
    const programs = programsOf(await this.#session(options));
    let isStarted = false;
    try {
      const info = await programs.start(request, options);
      isStarted = true;
      await this.#notes.noteStart(info);
      return info;
    } catch (error) {
      // Whether the agent has heard that it shall go on, nobody knows.
      const mayRun = isStarted || isInstanceError(error, "ERR_CONNECTION");
      await this.#undoStart(request.id, mayRun, options).catch(() => undefined);
      throw error;
    }
  }

  async list(options: Abortable): Promise<readonly DetachedInfo[]> {
    for (;;) {
      const told = await this.#unlessFrozen(options, async (limited) =>
        programsOf(await this.#session({ ...limited, timeout: LIST_TIMEOUT })).list(limited),
      );
      const known = told?.answer ?? (await this.#notes.programs());
      if (known !== undefined) return known;
      if (!(await this.#access.isFrozen(options))) continue;
      const why = "the machine is frozen, and its agent has not told its programs before: unfreeze() lets it answer";
      throw new ConnectionError(`the agent of "${this.#access.name}"`, why);
    }
  }

  async open(id: string, options: Abortable): Promise<BackendDetachedProgram | undefined> {
    const info = (await this.list(options)).find((one) => one.id === id);
    const access = { ...this.#access, session: (given: Abortable & Timed) => this.#session(given) };
    return info && new GuestProgram(info, access, (signal) => this.#kill(id, signal));
  }

  /** To be called before a freeze, before {@link noteList}. */
  async beginList(): Promise<void> {
    await this.#notes.begin();
  }

  /** To be called right before a freeze, with an agent that answers. */
  async noteList(agent: AgentClient, options: Abortable): Promise<void> {
    if (agent.programs !== undefined) await this.#notes.noteList(await agent.programs.list(options));
  }

  /** To be called right after a thaw, or when a freeze has failed. */
  async forgetList(): Promise<void> {
    await this.#notes.forget();
  }

  /** To be called right after a thaw. Goes on for as long as the guest takes to answer. */
  deliverSignals(): void {
    this.#session({ timeout: Number.POSITIVE_INFINITY }).catch(() => undefined);
  }

  async #undoStart(id: string, mayRun: boolean, options: Abortable): Promise<void> {
    if (await this.#access.isFrozen({})) await this.#leaveSignal(id, "SIGKILL");
    else if (mayRun) await this.#signal(id, "SIGKILL", options);
  }

  async #kill(id: string, signal: SignalName): Promise<void> {
    const limits = { timeout: SIGNAL_TIMEOUT };
    const sent = await this.#unlessFrozen({}, (linked) => this.#signal(id, signal, { ...linked, ...limits }));
    // It may arrive twice then.
    if (sent === undefined) await this.#leaveSignal(id, signal);
  }

  async #leaveSignal(id: string, signal: SignalName): Promise<void> {
    await this.#notes.leaveSignal(id, signal);
    // A thaw that came before has not delivered it.
    if (!(await this.#access.isFrozen({}))) await this.#session({ timeout: SIGNAL_TIMEOUT });
  }

  async #signal(id: string, signal: SignalName, options: Abortable & Timed): Promise<void> {
    await programsOf(await this.#session(options)).signal(id, signal, options);
  }

  /** What an agent answers; `undefined` when its guest is frozen, or is frozen before it has answered. */
  async #unlessFrozen<T>(
    options: Abortable,
    ask: (limited: Abortable) => Promise<T>,
  ): Promise<{ readonly answer: T } | undefined> {
    using asking = linkSignals(options.signal);
    const stop = () => asking.abort(STOPPED);
    this.#access.onStop.add(stop);
    try {
      if (await this.#access.isFrozen({ signal: options.signal })) return undefined;
      return { answer: await ask({ signal: asking.signal }) };
    } catch (error) {
      if (asking.signal.reason === STOPPED) return undefined;
      throw error;
    } finally {
      this.#access.onStop.delete(stop);
    }
  }

  /**
   * Signals that wait since a freeze go first. One may arrive twice, if two processes deliver at once. Each call has a session
   * of its own: one without a call may end. Fails with a ConnectionError only when there is no machine any more.
   */
  async #session(options: Abortable & Timed): Promise<AgentClient> {
    for await (const waiting of this.#notes.waitingSignals()) await this.#deliver(waiting, options);
    return this.#access.session(options);
  }

  /** One that a freeze comes before goes on waiting, for the next thaw. */
  async #deliver({ id, signal, done }: WaitingSignal, options: Abortable & Timed): Promise<void> {
    for (;;) {
      const told = await this.#unlessFrozen(options, async (limited) => {
        const agent = await this.#access.session({ ...options, ...limited });
        try {
          await agent.programs?.signal(id, signal, { ...options, ...limited });
          return true;
        } catch (error) {
          if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
          await abortable(agent.closed, limited.signal);
          return false;
        }
      });
      if (told?.answer !== false) return told && done();
    }
  }
}

class GuestProgram implements BackendDetachedProgram {
  readonly info: DetachedInfo;
  readonly exit: Promise<ExitStatus | undefined>;
  /** In a frozen machine it takes effect at the thaw. */
  readonly kill: (signal: SignalName) => Promise<void>;
  readonly #access: GuestAccess;
  readonly #left = new AbortController();

  constructor(info: DetachedInfo, access: GuestAccess, kill: (signal: SignalName) => Promise<void>) {
    this.info = info;
    this.#access = access;
    this.kill = kill;
    this.exit = info.exit === undefined ? this.#wait() : Promise.resolve(info.exit);
    this.exit.catch(() => undefined);
  }

  /** @throws {ConnectionError} for what a frozen guest has printed until now: it tells that after the thaw. */
  async output(options: DetachedOutputOptions): Promise<AsyncIterable<OutputChunk>> {
    if (!options.follow && (await this.#access.isFrozen({})))
      throw new ConnectionError(
        `the agent of "${this.#access.name}"`,
        "the machine is frozen, and it answers after the thaw",
      );
    return this.#read(options);
  }

  release(): void {
    this.#left.abort();
  }

  async *#read({ offset, follow, signal }: DetachedOutputOptions): AsyncGenerator<OutputChunk, void> {
    const { id } = this.info;
    const left = this.#left.signal;
    const end = () => signal?.throwIfAborted();
    for (let at = offset; ; ) {
      const agent = await this.#session().catch((error: unknown) => {
        // The machine has ended, or this reader has left: there is no more.
        if (left.aborted || isInstanceError(error, "ERR_CONNECTION")) return undefined;
        throw error;
      });
      if (agent === undefined) return end();
      try {
        for await (const chunk of await programsOf(agent).attach(id, { offset: at, follow }, { signal: left })) {
          end();
          at = chunk.offset + chunk.data.length;
          yield chunk;
        }
        return end();
      } catch (error) {
        end();
        // The guest has booted again, and has forgotten it.
        if (left.aborted || isInstanceError(error, "ERR_PROCESS_NOT_FOUND")) return;
        await this.#sessionEnds(agent, error);
      }
    }
  }

  async #wait(): Promise<ExitStatus | undefined> {
    for (;;) {
      const agent = await this.#session();
      try {
        return await programsOf(agent).wait(this.info.id, { signal: this.#left.signal });
      } catch (error) {
        if (isInstanceError(error, "ERR_PROCESS_NOT_FOUND")) return undefined;
        await this.#sessionEnds(agent, error);
      }
    }
  }

  /** Its agent may have restarted, or lost its host for a moment: then the next session goes on. @throws any other error */
  async #sessionEnds(agent: AgentClient, error: unknown): Promise<void> {
    if (this.#left.signal.aborted || !isInstanceError(error, "ERR_CONNECTION")) throw error;
    await agent.closed;
  }

  #session(): Promise<AgentClient> {
    return this.#access.session({ signal: this.#left.signal, timeout: Number.POSITIVE_INFINITY });
  }
}

/** @throws {UnsupportedError} */
function programsOf({ programs }: AgentClient): Programs {
  if (programs !== undefined) return programs;
  throw new UnsupportedError({ capability: "detached", reason: OLD_AGENT });
}
