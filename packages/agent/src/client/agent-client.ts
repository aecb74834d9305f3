import type { Duplex } from "node:stream";
import type { Abortable, InstanceMetrics, InterfaceAddress, Timed } from "@pileus/core";
import type { BackendProcess, ExecRequest, FileOperations } from "@pileus/core/driver";
import { z } from "zod";
import { streamLink } from "../protocol/link.ts";
import { AddressesSchema, type AgentInfo, InfoSchema, MetricsSchema, type Welcome } from "../protocol/messages.ts";
import { within } from "./deadline.ts";
import { HostSession } from "./host-session.ts";
import { RemoteFiles } from "./remote-files.ts";
import { startProcess } from "./remote-process.ts";
import { RemotePrograms } from "./remote-programs.ts";

/** How a session is opened. `timeout` limits the handshake, in milliseconds; default 120 s. */
export interface ConnectAgentOptions extends Abortable, Timed {
  /** Opens a new stream to the guest's port, which has no other user. The client owns it. */
  readonly connect: () => Duplex | Promise<Duplex>;
  /** How long a call without streams may take, or the start of a call with streams, in milliseconds. Default 60 s. */
  readonly callTimeout?: number | undefined;
}

/**
 * One session with the agent of one guest. It ends with the stream, when the agent restarts (the guest rebooted), or
 * when the guest breaks the protocol. Then every call rejects, and a new client is needed. Disposing closes the
 * session, which kills what runs for it in the guest.
 */
export interface AgentClient extends AsyncDisposable {
  /** What the agent reported about itself. `bootId` is different after each boot of the guest. */
  readonly welcome: Welcome;
  /** Resolves when the session is over: with the reason, or with nothing after `close()`. */
  readonly closed: Promise<Error | undefined>;
  /** Whether a call is under way. Programs and streams belong to the call that began them. */
  readonly busy: boolean;
  /** Called whenever the last call under way has ended. */
  onIdle: () => void;
  readonly files: FileOperations;
  /** Programs that go on without the session; `undefined` with an agent of an earlier release, which has none. */
  readonly programs: RemotePrograms | undefined;
  /** Starts a program in the guest. An abort before it resolves kills it there. */
  exec(request: ExecRequest, options?: Abortable): Promise<BackendProcess>;
  /** The addresses of the guest's interfaces, from the guest's kernel. */
  addresses(options?: Abortable): Promise<readonly InterfaceAddress[]>;
  /** What the guest uses, as the guest itself counts it. */
  metrics(options?: Abortable): Promise<InstanceMetrics>;
  /** What the agent reports about itself and its guest. */
  info(options?: Abortable): Promise<AgentInfo>;
  /** Resolves when the agent has answered. */
  ping(options?: Abortable): Promise<void>;
  /**
   * Sets the guest's clock to this host's, if it is behind. Does nothing if the agent's release does not support that.
   */
  advanceClock(options?: Abortable): Promise<void>;
  /** Asks the guest's init to power off. Resolves when it has been asked. */
  shutdown(options?: Abortable): Promise<void>;
  /** Asks the guest's init to reboot. Resolves when it has been asked. */
  reboot(options?: Abortable): Promise<void>;
  /** Ends the session at once. The agent kills what runs for it in the guest. */
  close(): void;
}

/**
 * Opens a session with a guest's agent. Waits for the agent to start if necessary: bytes sent to a port that the guest
 * has not opened yet stay in the pipe, and an agent sends a greeting when it starts. A session of another client on the
 * same port ends. The stream may still hold bytes of that session, which are discarded.
 *
 * @throws {TimeoutError} after `timeout` (default 120 s): no agent, or another process holds the port.
 * @throws {AgentError} when the agent refuses the session.
 * @throws {ConnectionError} when the stream breaks.
 */
export async function connectAgent(options: ConnectAgentOptions): Promise<AgentClient> {
  const { signal, timeout = 120_000, callTimeout = 60_000 } = options;
  signal?.throwIfAborted();
  const stream = await options.connect();
  const session = new HostSession(streamLink(stream));
  const abandon = () => session.close();
  const welcome = await within(session.welcome, "the handshake with the guest agent", { signal, timeout }, abandon);
  return new SessionClient(session, welcome, callTimeout);
}

class SessionClient implements AgentClient {
  readonly welcome: Welcome;
  readonly closed: Promise<Error | undefined>;
  readonly files: FileOperations;
  readonly programs: RemotePrograms | undefined;
  readonly #session: HostSession;
  readonly #timeout: number;

  constructor(session: HostSession, welcome: Welcome, timeout: number) {
    this.#session = session;
    this.#timeout = timeout;
    this.welcome = welcome;
    this.closed = session.closed;
    this.files = new RemoteFiles(session, timeout);
    if (welcome.methods.includes("detach")) this.programs = new RemotePrograms(session, timeout);
  }

  get busy(): boolean {
    return this.#session.busy;
  }

  get onIdle(): () => void {
    return this.#session.onIdle;
  }

  set onIdle(listener: () => void) {
    this.#session.onIdle = listener;
  }

  exec(request: ExecRequest, options: Abortable = {}): Promise<BackendProcess> {
    return startProcess(this.#session, request, this.#limits(options));
  }

  addresses(options: Abortable = {}): Promise<readonly InterfaceAddress[]> {
    return this.#session.ask({ method: "addresses" }, AddressesSchema, this.#limits(options));
  }

  metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    return this.#session.ask({ method: "metrics" }, MetricsSchema, this.#limits(options));
  }

  info(options: Abortable = {}): Promise<AgentInfo> {
    return this.#session.ask({ method: "info" }, InfoSchema, this.#limits(options));
  }

  async ping(options: Abortable = {}): Promise<void> {
    await this.#session.ask({ method: "ping" }, z.unknown(), this.#limits(options));
  }

  async advanceClock(options: Abortable = {}): Promise<void> {
    if (!this.welcome.methods.includes("clock")) return;
    await this.#session.ask({ method: "clock", time: Date.now() }, z.unknown(), this.#limits(options));
  }

  async shutdown(options: Abortable = {}): Promise<void> {
    await this.#session.ask({ method: "power", action: "off" }, z.unknown(), this.#limits(options));
  }

  async reboot(options: Abortable = {}): Promise<void> {
    await this.#session.ask({ method: "power", action: "reboot" }, z.unknown(), this.#limits(options));
  }

  close(): void {
    this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #limits(options: Abortable) {
    return { signal: options.signal, timeout: this.#timeout };
  }
}
