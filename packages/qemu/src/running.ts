import { setTimeout as delay } from "node:timers/promises";
import type { AgentClient } from "@pileus/agent";
import type {
  Abortable,
  Capability,
  ExitStatus,
  FileOperations,
  InstanceMetrics,
  InterfaceAddress,
  Timed,
} from "@pileus/core";
import { ConnectionError, isInstanceError, UnsupportedError } from "@pileus/core";
import {
  type BackendProcess,
  boundLog,
  type ExecRequest,
  type InstanceContext,
  type ProcessIdentity,
  type Running,
  signalProcess,
  waitForEnd,
  withDeadline,
} from "@pileus/core/driver";
import type { AgentLink } from "./agent-link.ts";
import { AGENT_CHARDEV, AGENT_PORT_ID } from "./argv/serial.ts";
import { GuestFiles } from "./guest-files.ts";
import { memoryOf } from "./machine.ts";
import { readProcessUsage } from "./metrics.ts";
import { connectMonitor } from "./monitor.ts";
import type { QmpClient } from "./qmp/index.ts";
import { markOf, type ReleaseSpec, releaseRun } from "./release.ts";
import { runFiles } from "./run-files.ts";

/** What virtual machines can ever do. A guest without our agent lacks `exec`, `files` and `network`. */
export type QemuCapability = "exec" | "files" | "freeze" | "network" | "metrics" | "logs" | "reboot";

export interface QemuRunningParts extends ReleaseSpec {
  readonly identity: ProcessIdentity;
  /** Absent if other processes hold all monitors of the machine, or none answers. */
  readonly qmp: QmpClient | undefined;
  /** Absent if this guest does not have our agent. */
  readonly agent: AgentLink | undefined;
}

/** How often a guest is asked for addresses that it lacks, in milliseconds: a guest sends no event when it gets one. */
const ADDRESS_INTERVAL = 200;

/** The delay before a failed check for the end of a machine is repeated, in milliseconds. */
const END_INTERVAL = 200;

/** How long a guest may take to report its metrics before a freeze, or to set its clock after it, in milliseconds. */
const ANSWER_TIMEOUT = 5000;

/** One run of a virtual machine: its QEMU process, a monitor, and the agent in the guest. */
export class QemuRunning implements Running<QemuCapability> {
  readonly pid: number;
  readonly exited: Promise<ExitStatus | undefined>;
  readonly files: FileOperations;
  readonly #instance: InstanceContext;
  readonly #identity: ProcessIdentity;
  readonly #agent: AgentLink | undefined;
  readonly #leaveLogs: readonly (() => void)[];
  #qmp: QmpClient | undefined;
  #detached = false;
  // The last metrics of the guest before it was frozen: they do not change while it is.
  #frozenMetrics: InstanceMetrics | undefined;

  constructor(parts: QemuRunningParts) {
    this.#instance = parts.instance;
    this.#identity = parts.identity;
    if (parts.qmp !== undefined) this.#qmp = this.#listen(parts.qmp);
    this.#agent = parts.agent;
    this.pid = parts.identity.pid;
    this.files = new GuestFiles((options) => this.#session(options));
    const { consoleLog, qemuLog } = runFiles(parts.instance);
    this.#leaveLogs = [boundLog(consoleLog), boundLog(qemuLog)];
    // Read now, before another process can begin another run.
    this.exited = this.#watch(parts, markOf(parts.instance));
  }

  lacks(capability: Capability): string | undefined {
    if (!NEED_AGENT.includes(capability)) return undefined;
    return this.#agent === undefined ? NO_AGENT : this.#agent.failure?.message;
  }

  /**
   * Resolves when the agent answers and each nic has the address that its network reserved. Resolves at once for a
   * guest without an agent.
   */
  async ready(options: Abortable): Promise<void> {
    if (this.#agent === undefined) return;
    for (;;) {
      if (await this.#hasAddresses(options)) return;
      await delay(ADDRESS_INTERVAL, undefined, { signal: options.signal }).catch(() =>
        options.signal?.throwIfAborted(),
      );
    }
  }

  async #hasAddresses(options: Abortable): Promise<boolean> {
    // The caller of `ready()` has a deadline, and no other holds: a first boot, or a check of the file system, may take
    // longer than any program should wait for its agent.
    const agent = await this.#session({ ...options, timeout: Number.POSITIVE_INFINITY });
    try {
      const present = new Set((await agent.addresses(options)).map(({ address }) => address));
      return this.#instance.nics.every((nic) => present.has(nic.ipv4.address));
    } catch (error) {
      // The guest is rebooting, or too busy to answer: ask its next agent, or ask again.
      if (isInstanceError(error, "ERR_CONNECTION", "ERR_TIMEOUT")) return false;
      throw error;
    }
  }

  async exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    return (await this.#session(options)).exec(request, options);
  }

  async addresses(options: Abortable = {}): Promise<readonly InterfaceAddress[]> {
    return (await this.#session(options)).addresses(options);
  }

  /**
   * Processor time is what the machine used on this host. Memory and processes are as the guest counts them.
   *
   * @throws {ConnectionError} when the machine has ended.
   */
  async metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    const host = await readProcessUsage(this.#identity);
    if (host === undefined) throw new ConnectionError(`the machine of "${this.#instance.name}"`, "it has ended");
    const limit = memoryOf(this.#instance.config);
    const guest = (await this.isFrozen(options))
      ? this.#frozenMetrics
      : await (await this.#agentIfFree(options))?.metrics(options);
    return {
      cpu: { seconds: host.cpuSeconds },
      memory: { bytes: guest?.memory.bytes ?? Math.min(host.residentBytes, limit), limitBytes: limit },
      processes: guest?.processes,
    };
  }

  async freeze(options: Abortable = {}): Promise<void> {
    this.#frozenMetrics = await this.#askAgent("figures of a guest to freeze", options, (agent, limited) =>
      agent.metrics(limited),
    );
    await this.#monitor.execute("stop", {}, options);
  }

  /** The session with an agent that answers and that no other process uses. */
  async #agentIfFree({ signal }: Abortable): Promise<AgentClient | undefined> {
    const link = this.#agent;
    if (link?.current !== undefined) return link.current;
    try {
      // Without it, the agent of a guest that boots would be waited for.
      if (link === undefined || !(await this.#hasOpenPort({ signal }))) return undefined;
      return await link.sessionIfFree({ signal, timeout: ANSWER_TIMEOUT });
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }

  /** Whether the agent in the guest has opened its port, as QEMU sees it. */
  async #hasOpenPort(options: Abortable): Promise<boolean> {
    const ports = await this.#qmp?.execute("query-chardev", {}, options);
    return ports === undefined || ports.some((port) => port.label === AGENT_CHARDEV && port["frontend-open"]);
  }

  // A guest that does not answer, or answers nonsense, can still be frozen and unfrozen.
  async #askAgent<T>(
    action: string,
    { signal }: Abortable,
    ask: (agent: AgentClient, options: Abortable) => Promise<T>,
  ): Promise<T | undefined> {
    const agent = await this.#agentIfFree({ signal });
    if (agent === undefined) return undefined;
    try {
      return await withDeadline({ action, timeout: ANSWER_TIMEOUT, signal }, (limited) =>
        ask(agent, { signal: limited }),
      );
    } catch {
      signal?.throwIfAborted();
      return undefined;
    }
  }

  /** A frozen guest does not see time pass. If its agent answers, the guest's clock is corrected. */
  async unfreeze(options: Abortable = {}): Promise<void> {
    await this.#monitor.execute("cont", {}, options);
    await this.#askAgent("the clock of a guest", options, (agent, limited) => agent.advanceClock(limited));
  }

  async isFrozen(options: Abortable): Promise<boolean | undefined> {
    if (this.#qmp === undefined) return undefined;
    return (await this.#qmp.execute("query-status", {}, options)).status === "paused";
  }

  /** @throws {ConnectionError} */
  get #monitor(): QmpClient {
    if (this.#qmp !== undefined) return this.#qmp;
    const why = "other processes hold them all, or none answers; the machine runs on, and a kill needs no monitor";
    throw new ConnectionError(`the monitors of "${this.#instance.name}"`, why);
  }

  /**
   * Asks the agent. If there is no agent yet, or another process uses it, presses the power button. Early in its boot a
   * guest may ignore the button, so the agent is asked as well as soon as it can be.
   */
  async shutdown(options: Abortable): Promise<void> {
    const agent = await this.#agentIfFree(options);
    if (agent !== undefined) return ask(() => agent.shutdown(options));
    await this.#monitor.execute("system_powerdown", {}, options);
    // The caller waits for the machine to end, with a deadline: an error of the guest here concerns no caller.
    this.#agent
      ?.session({ signal: options.signal, timeout: Number.POSITIVE_INFINITY })
      .then((late) => ask(() => late.shutdown(options)))
      .catch(() => undefined);
  }

  /** Asks the agent. Another boot has another id; an agent that merely restarted has the same. */
  async reboot(options: Abortable): Promise<void> {
    let agent = await this.#session(options);
    const { bootId } = agent.welcome;
    await ask(() => agent.reboot(options));
    while (agent.welcome.bootId === bootId) agent = await this.#link.sessionAfter(agent, options);
  }

  async kill(): Promise<void> {
    await signalProcess(this.#identity, "SIGKILL");
  }

  async detach(): Promise<void> {
    this.#detached = true;
    this.#leave();
    await Promise.all([this.#agent?.close(), this.#qmp?.close()]);
  }

  #leave(): void {
    for (const leave of this.#leaveLogs) leave();
  }

  #session(options: Abortable & Timed): Promise<AgentClient> {
    return this.#link.session(options);
  }

  /** @throws {UnsupportedError} */
  get #link(): AgentLink {
    if (this.#agent !== undefined) return this.#agent;
    throw new UnsupportedError({ capability: "exec", reason: NO_AGENT });
  }

  // QEMU closes its monitors as it ends. That shows its end without a process that waits for it, even if another
  // process started it. Never rejects.
  async #watch(spec: ReleaseSpec, mark: string | undefined): Promise<undefined> {
    for (;;) {
      await this.#qmp?.closed;
      if (this.#detached) return new Promise(() => undefined);
      if (await this.#hasEnded()) break;
      // QEMU lives, so only the session broke: the next session will show the end.
      const next = await this.#reconnect();
      if (this.#detached) await next?.close();
      else if (next !== undefined) this.#qmp = this.#listen(next);
    }
    this.#leave();
    // What cannot be released now is released before the next start, and at the next open.
    await Promise.allSettled([this.#agent?.close(), releaseRun(spec, mark)]);
    return undefined;
  }

  // A guest that reboots, or whose agent dies, sends nothing over the port: QEMU reports that the port closed.
  #listen(qmp: QmpClient): QmpClient {
    qmp.events.on("VSERPORT_CHANGE", ({ data }) => {
      if (data.id === AGENT_PORT_ID && !data.open) this.#agent?.endSession();
    });
    return qmp;
  }

  async #hasEnded(): Promise<boolean> {
    try {
      await waitForEnd(this.#identity);
      return true;
    } catch (error) {
      // For example, the host has no free descriptor. No caller could receive this error, so the check is repeated.
      if (!isInstanceError(error, "ERR_TIMEOUT")) await delay(END_INTERVAL);
      return false;
    }
  }

  async #reconnect(): Promise<QmpClient | undefined> {
    try {
      return await connectMonitor(runFiles(this.#instance).monitors);
    } catch {
      // Other processes hold all monitors, or QEMU hangs: the next round still checks whether it has ended.
      return undefined;
    }
  }
}

const NEED_AGENT: readonly Capability[] = ["exec", "files", "network", "reboot"];

const NO_AGENT = "this guest boots without our agent: from a disk image, or with an initramfs of its own";

// A guest that shuts down or reboots may end its agent before the agent has answered.
async function ask(request: () => Promise<void>): Promise<void> {
  try {
    await request();
  } catch (error) {
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  }
}
