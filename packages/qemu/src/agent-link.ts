import { setTimeout as delay } from "node:timers/promises";
import type { AgentClient } from "@pileus/agent";
import { type Abortable, ConnectionError, isInstanceError } from "@pileus/core";
import { abortable, linkSignals, withDeadline } from "@pileus/core/driver";
import type { PortClaim } from "./port-claim.ts";

/** Opens a session with the agent, waiting for as long as it takes the guest to bring it up. */
export type OpenSession = (options: Abortable) => Promise<AgentClient>;

/** How long an operation waits for the agent of a guest that boots, in milliseconds. */
const AGENT_TIMEOUT = 120_000;

/**
 * The least time from the beginning of one session to the opening of the next, in milliseconds: a guest that ends each at once must not
 * keep us busy. An agent that starts anew takes longer by itself.
 */
const SESSION_INTERVAL = 100;

/** How soon is tried again what this host could not do now, in milliseconds. */
const RETRY_INTERVAL = 200;

/**
 * The link to a guest's agent for as long as its machine runs: connects from the start on, and again whenever a session ends
 * (the guest rebooted, its agent was restarted), or could not be opened: a host short of descriptors or processes is so for a while. An
 * agent that breaks the protocol, or refuses us, is not asked again. While another process has the agent, this waits for its turn.
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

  /** `claim`: the right to the agent, where several processes may want it; owned from now on. */
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

  /** Why there is no session, nor will be as things stand: it failed, or another process has the agent. */
  get failure(): Error | undefined {
    if (this.#failure !== undefined || this.#claim?.held !== false) return this.#failure;
    return new ConnectionError("the guest's agent", "another process has it, and it serves one at a time");
  }

  /** Sets who is told of each session to come. */
  set onSession(listener: (agent: AgentClient) => void) {
    this.#onSession = listener;
  }

  /**
   * The session, waited for. @throws {TimeoutError} after two minutes. @throws {ConnectionError} when the machine has ended or was let
   * go, and at once while another process has the agent.
   */
  async session(options: Abortable = {}): Promise<AgentClient> {
    options.signal?.throwIfAborted();
    if (this.#current !== undefined) return this.#current;
    const { failure } = this;
    if (failure !== undefined) throw failure;
    const hint = "is the guest still booting?";
    const deadline = { action: "waiting for the guest's agent", timeout: AGENT_TIMEOUT, hint, signal: options.signal };
    return withDeadline(deadline, (signal) => abortable(this.#next, signal));
  }

  /** The guest let go of the port: what the session still waits for does not come. Another one is opened. */
  drop(): void {
    this.#current?.close();
  }

  /** Ends the session and stops connecting. The guest's agent goes on. Idempotent. */
  async close(): Promise<void> {
    this.#end.abort(new ConnectionError("the guest's agent", "its machine has ended or was let go"));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    try {
      await this.#insist(async () => this.#claim?.wait({ signal }));
      for (;;) {
        const agent = await this.#insist(() => this.#open({ signal }));
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

  /** Does it until it works. A socket that is gone went with its machine: the monitor tells, and we are closed. */
  async #insist<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal } = this.#end;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        signal.throwIfAborted();
        if (isInstanceError(error, ...LASTING)) throw error;
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

/** What time does not mend: an agent that speaks wrongly or refuses us, a host without flock(1). */
const LASTING = ["ERR_PROTOCOL", "ERR_AGENT", "ERR_HOST"] as const;

async function pause(time: number, signal: AbortSignal): Promise<void> {
  await delay(time, undefined, { signal }).catch(() => signal.throwIfAborted());
}

function expectSession(): [Promise<AgentClient>, { resolve(agent: AgentClient): void; reject(error: Error): void }] {
  let settle = { resolve: (_: AgentClient) => {}, reject: (_: Error) => {} };
  const promise = new Promise<AgentClient>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Nobody may be waiting for it.
  promise.catch(() => undefined);
  return [promise, settle];
}
