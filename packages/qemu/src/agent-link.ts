import { setTimeout as delay } from "node:timers/promises";
import type { AgentClient } from "@pileus/agent";
import { type Abortable, ConnectionError, isInstanceError, type Timed, TimeoutError } from "@pileus/core";
import { abortable, Deadline, type LinkedSignal, linkSignals } from "@pileus/core/driver";
import type { HeldPort, PortClaims } from "./port-claims.ts";

/** Opens a session with the agent on one of its ports. Waits for as long as the guest takes to start it. */
export type OpenSession = (options: Abortable & { readonly port: number }) => Promise<AgentClient>;

/** How long an operation waits for the agent of a booting guest, in milliseconds. */
const AGENT_TIMEOUT = 120_000;

/** How long a session without a call is kept for the next one, in milliseconds. */
const IDLE_TIME = 2000;

/**
 * The shortest time from the beginning of one session to the opening of the next, in milliseconds: a guest that ends
 * each session at once must not keep this process busy. An agent that restarts takes longer anyway.
 */
const SESSION_INTERVAL = 100;

/** The delay before a failed attempt is repeated, in milliseconds. */
const RETRY_INTERVAL = 200;

const AGENT = "the guest's agent";

/**
 * This process's way to a guest's agent for as long as the machine runs. It takes a port of the agent when a caller wants
 * it, and lets go when no call has been under way for {@link IDLE_TIME}, or sooner if another process waits: a port
 * serves one process at a time. While callers wait, it connects again whenever a session ends (the guest rebooted, its agent
 * restarted) or could not be opened (the host was short of descriptors or processes for a while). It does not try again
 * after the agent broke the protocol or refused the session.
 */
export class AgentLink {
  readonly #open: OpenSession;
  readonly #claims: PortClaims | undefined;
  readonly #end = linkSignals();
  /** The present turn with the agent: its signal aborts when the link lets go. */
  #turn: LinkedSignal | undefined;
  /** Settles when the last turn is over, after those before it. Never rejects. */
  #turns: Promise<void> = Promise.resolve();
  /** The port that the present turn holds, once it has it. */
  #held: HeldPort | undefined;
  #current: AgentClient | undefined;
  #latest: AgentClient | undefined;
  #began = Number.NEGATIVE_INFINITY;
  #waiters = 0;
  #idle: NodeJS.Timeout | undefined;
  #failure: Error | undefined;
  #next: Promise<AgentClient>;
  #settle: { resolve(agent: AgentClient): void; reject(error: Error): void };

  /** `claims`: the rights to the agent's ports, where several processes may want them. */
  constructor(open: OpenSession, claims?: PortClaims) {
    this.#open = open;
    this.#claims = claims;
    [this.#next, this.#settle] = expectSession();
  }

  /** The session under way, if there is one. */
  get current(): AgentClient | undefined {
    return this.#current;
  }

  /** The session under way, or the last one: what its agent has said of itself holds until the machine ends. */
  get latest(): AgentClient | undefined {
    return this.#latest;
  }

  /** Why there will be no session any more: the agent broke the protocol or refused it, or the link is closed. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Waits for the agent, and for other processes that use it. The caller makes its call at once, before it waits for anything
   * else: a session without a call may end, and does when another process wants the port.
   *
   * @throws {TimeoutError} after `timeout`, by default two minutes. @throws {ConnectionError} when the machine has ended
   * or was detached.
   */
  async session(options: Abortable & Timed = {}): Promise<AgentClient> {
    options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#current !== undefined) {
      this.#waiters++;
      this.#leaveLater();
      return this.#current;
    }
    const { signal, timeout = AGENT_TIMEOUT } = options;
    const action = `waiting for ${AGENT}`;
    using deadline = new Deadline({ action, timeout, signal });
    this.#waiters++;
    this.#begin();
    try {
      const agent = await abortable(this.#next, deadline.signal);
      this.#leaveLater();
      return agent;
    } catch (error) {
      this.#leave();
      throw deadline.hasPassed ? new TimeoutError(action, timeout, { hint: this.#obstacle }) : error;
    }
  }

  /** Who has just got a session makes its call before the next turn of the event loop: nobody else gets the port before. */
  #leaveLater(): void {
    setImmediate(() => this.#leave());
  }

  #leave(): void {
    this.#waiters--;
    this.#rest();
  }

  /** Waits for the end of a session, however long, and for the next one. Meanwhile the link does not let go. */
  async sessionAfter(before: AgentClient, { signal }: Abortable): Promise<AgentClient> {
    this.#waiters++;
    try {
      await abortable(before.closed, signal);
      return await this.session({ signal, timeout: Number.POSITIVE_INFINITY });
    } finally {
      this.#leave();
    }
  }

  /** As {@link session}; `undefined` at once if other processes have all ports of the agent, or there will be no session any more. */
  async sessionIfFree(options: Abortable & Timed = {}): Promise<AgentClient | undefined> {
    if (this.#failure !== undefined) return undefined;
    if (this.#claims !== undefined && this.#turn === undefined) {
      const held = await this.#claims.tryTake();
      if (held === undefined) return undefined;
      if (this.#turn === undefined) this.#begin(held);
      // Another caller has begun a turn meanwhile, which waits for it.
      else await held.release();
    } else if (this.#claims !== undefined && this.#held === undefined) return undefined;
    return this.session(options);
  }

  /** For when the guest has closed a port: a session on it gets no more answers, so it ends. */
  endSession(port: number): void {
    if ((this.#held?.number ?? 0) === port) this.#current?.close();
  }

  /** Ends the session and makes no other. The guest's agent goes on. Idempotent. */
  async close(): Promise<void> {
    this.#end.abort(new ConnectionError(AGENT, "its machine has ended or was detached"));
    this.#fail(this.#end.signal.reason);
    clearTimeout(this.#idle);
    await this.#turns;
  }

  get #obstacle(): string {
    if (this.#claims !== undefined && this.#held === undefined)
      return "other processes have a port each for what they run, wait for or read in the guest: end that of one";
    return "is the guest still booting? its console tells: logs()";
  }

  #begin(held?: HeldPort): void {
    if (this.#turn !== undefined) return;
    const turn = linkSignals(this.#end.signal);
    this.#turn = turn;
    this.#turns = this.#turns.then(() => this.#take(turn, held));
  }

  async #take(turn: LinkedSignal, given: HeldPort | undefined): Promise<void> {
    const { signal } = turn;
    let held = given;
    try {
      held ??= await retry(async () => this.#claims?.take({ signal }), signal);
      signal.throwIfAborted();
      this.#held = held;
      do {
        const early = this.#began + SESSION_INTERVAL - performance.now();
        if (early > 0) await pause(early, signal);
        const agent = await retry(() => this.#open({ signal, port: held?.number ?? 0 }), signal);
        this.#began = performance.now();
        const reason = await this.#use(agent, signal);
        signal.throwIfAborted();
        if (isInstanceError(reason, "ERR_PROTOCOL")) throw reason;
      } while (this.#waiters > 0);
    } catch (error) {
      if (!signal.aborted) this.#fail(error instanceof Error ? error : new ConnectionError(AGENT, String(error)));
    } finally {
      if (this.#turn === turn) {
        this.#turn = undefined;
        this.#held = undefined;
      }
      turn[Symbol.dispose]();
      await held?.release();
    }
  }

  /** Gives the session to those who wait. Resolves with the reason when it is over. */
  async #use(agent: AgentClient, signal: AbortSignal): Promise<Error | undefined> {
    const close = () => agent.close();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    else {
      agent.onIdle = () => this.#rest();
      this.#current = agent;
      this.#latest = agent;
      this.#settle.resolve(agent);
    }
    try {
      return await agent.closed;
    } finally {
      signal.removeEventListener("abort", close);
      if (this.#current === agent) this.#forget();
    }
  }

  /** Lets go when nobody uses the agent: now if another process waits, else after a while. */
  #rest(): void {
    clearTimeout(this.#idle);
    if (this.#turn === undefined || this.#isUsed) return;
    if (this.#held?.isWanted() === true) this.#letGo();
    else {
      // A call may have begun meanwhile; its end sets the timer again.
      const rested = () => (this.#isUsed ? undefined : this.#letGo());
      this.#idle = setTimeout(rested, IDLE_TIME).unref();
    }
  }

  get #isUsed(): boolean {
    return this.#waiters > 0 || this.#current?.busy === true;
  }

  #letGo(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    this.#held = undefined;
    if (this.#current !== undefined) this.#forget();
    turn?.abort(new ConnectionError(AGENT, "no call uses it at the moment"));
  }

  #forget(): void {
    this.#current = undefined;
    [this.#next, this.#settle] = expectSession();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#current = undefined;
    this.#settle.reject(this.#failure);
  }
}

/**
 * Errors that do not pass with time: an agent that breaks the protocol or refuses the session, a host without flock(1).
 */
const PERMANENT_ERRORS = ["ERR_PROTOCOL", "ERR_AGENT", "ERR_HOST"] as const;

/**
 * Repeats the attempt until it succeeds. A missing socket means that the machine has ended: the monitor reports that,
 * and the link is closed.
 */
async function retry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (isInstanceError(error, ...PERMANENT_ERRORS)) throw error;
    }
    await pause(RETRY_INTERVAL, signal);
  }
}

async function pause(time: number, signal: AbortSignal): Promise<void> {
  await delay(time, undefined, { signal }).catch(() => signal.throwIfAborted());
}

function expectSession(): [Promise<AgentClient>, { resolve(agent: AgentClient): void; reject(error: Error): void }] {
  let settle = { resolve: (_: AgentClient) => {}, reject: (_: Error) => {} };
  const promise = new Promise<AgentClient>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // It may be that no caller waits for the session: its rejection must not count as unhandled.
  promise.catch(() => undefined);
  return [promise, settle];
}
