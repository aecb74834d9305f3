import { setTimeout as delay } from "node:timers/promises";
import type { AgentClient } from "@pileus/agent";
import { type Abortable, ConnectionError, isInstanceError, type Timed } from "@pileus/core";
import { abortable, linkSignals, withDeadline } from "@pileus/core/driver";
import type { PortClaim } from "./port-claim.ts";

/** Opens a session with the agent. Waits for as long as the guest takes to start it. */
export type OpenSession = (options: Abortable) => Promise<AgentClient>;

/** How long an operation waits for the agent of a booting guest, in milliseconds. */
const AGENT_TIMEOUT = 120_000;

/**
 * The shortest time from the beginning of one session to the opening of the next, in milliseconds: a guest that ends
 * each session at once must not keep this process busy. An agent that restarts takes longer anyway.
 */
const SESSION_INTERVAL = 100;

/** The delay before a failed attempt is repeated, in milliseconds. */
const RETRY_INTERVAL = 200;

/**
 * The link to a guest's agent for as long as its machine runs. It connects at the start, and again whenever a session
 * ends (the guest rebooted, its agent restarted) or could not be opened (the host was short of descriptors or processes
 * for a while). It does not try again after the agent broke the protocol or refused the session. While another process
 * has the agent, it waits for its turn.
 */
export class AgentLink {
  readonly #open: OpenSession;
  readonly #claim: PortClaim | undefined;
  readonly #end = linkSignals();
  readonly #loop: Promise<void>;
  #current: AgentClient | undefined;
  #failure: Error | undefined;
  #next: Promise<AgentClient>;
  #settle: { resolve(agent: AgentClient): void; reject(error: Error): void };
  #onSession: (agent: AgentClient) => void = () => undefined;

  /** `claim`: the right to the agent, where several processes may want it. The link owns it from now on. */
  constructor(open: OpenSession, claim?: PortClaim) {
    this.#open = open;
    this.#claim = claim;
    [this.#next, this.#settle] = expectSession();
    this.#loop = this.#run();
  }

  /** The session under way, if there is one. */
  get current(): AgentClient | undefined {
    return this.#current;
  }

  /** Why there is no session and none will come for now: the link failed, or another process has the agent. */
  get failure(): Error | undefined {
    if (this.#failure !== undefined || this.#claim?.held !== false) return this.#failure;
    return new ConnectionError("the guest's agent", "another process has it; it serves one process at a time");
  }

  /** Sets the listener that is called with each later session. */
  set onSession(listener: (agent: AgentClient) => void) {
    this.#onSession = listener;
  }

  /**
   * Waits for the session. @throws {TimeoutError} after `timeout`, by default two minutes. @throws {ConnectionError}
   * when the machine has ended or was detached, and at once while another process has the agent.
   */
  async session(options: Abortable & Timed = {}): Promise<AgentClient> {
    options.signal?.throwIfAborted();
    if (this.#current !== undefined) return this.#current;
    const { failure } = this;
    if (failure !== undefined) throw failure;
    const { signal, timeout = AGENT_TIMEOUT } = options;
    const hint = 'is the guest still booting? its console tells: logs("console")';
    const deadline = { action: "waiting for the guest's agent", timeout, hint, signal };
    return withDeadline(deadline, (limited) => abortable(this.#next, limited));
  }

  /** For when the guest has closed the port: the session gets no more answers, so it ends and another one is opened. */
  endSession(): void {
    this.#current?.close();
  }

  /** Ends the session and stops connecting. The guest's agent goes on. Idempotent. */
  async close(): Promise<void> {
    this.#end.abort(new ConnectionError("the guest's agent", "its machine has ended or was detached"));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    try {
      await this.#retry(async () => this.#claim?.wait({ signal }));
      for (;;) {
        const agent = await this.#retry(() => this.#open({ signal }));
        const began = performance.now();
        this.#current = agent;
        this.#onSession(agent);
        this.#settle.resolve(agent);
        const reason = await this.#ended(agent);
        [this.#next, this.#settle] = expectSession();
        this.#current = undefined;
        signal.throwIfAborted();
        if (isInstanceError(reason, "ERR_PROTOCOL")) throw reason;
        const early = began + SESSION_INTERVAL - performance.now();
        if (early > 0) await pause(early, signal);
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new ConnectionError("the guest's agent", String(error));
      this.#settle.reject(this.#failure);
    } finally {
      await this.#claim?.[Symbol.asyncDispose]();
    }
  }

  /**
   * Repeats the attempt until it succeeds. A missing socket means that the machine has ended: the monitor reports that,
   * and the link is closed.
   */
  async #retry<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal } = this.#end;
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

  async #ended(agent: AgentClient): Promise<Error | undefined> {
    const close = () => agent.close();
    this.#end.signal.addEventListener("abort", close, { once: true });
    if (this.#end.signal.aborted) close();
    try {
      return await agent.closed;
    } finally {
      this.#end.signal.removeEventListener("abort", close);
    }
  }
}

/**
 * Errors that do not pass with time: an agent that breaks the protocol or refuses the session, a host without flock(1).
 */
const PERMANENT_ERRORS = ["ERR_PROTOCOL", "ERR_AGENT", "ERR_HOST"] as const;

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
