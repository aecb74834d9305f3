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
import { ConnectionError, UnsupportedError } from "@pileus/core";
import {
  type BackendConsole,
  type BackendProcess,
  type ExecRequest,
  endsWithin,
  type InstanceContext,
  isAlive,
  keeperConsole,
  type LiveChange,
  type ProcessIdentity,
  type Running,
  signalProcess,
} from "@pileus/core/driver";
import type { AgentLink } from "./agent-link.ts";
import { agentPortOf } from "./argv/serial.ts";
import { ANSWER_TIMEOUT, agentIfFree, askAgent } from "./ask-agent.ts";
import { guestMemory, isPaused } from "./ask-qemu.ts";
import type { QemuCapability } from "./capability.ts";
import { boundFormerLogs } from "./former-logs.ts";
import { GuestFiles } from "./guest-files.ts";
import { GuestPrograms } from "./guest-programs.ts";
import { hasAddresses } from "./has-addresses.ts";
import type { KeptMachine } from "./kept.ts";
import { lacks, NO_AGENT } from "./lacks.ts";
import { lastRequest } from "./last-request.ts";
import { changeSize } from "./live-size.ts";
import { diskMetrics, guestMetrics, machineMetrics } from "./metrics.ts";
import { connectMonitor } from "./monitor.ts";
import type { QmpClient } from "./qmp/index.ts";
import { markOf, type ReleaseSpec, releaseRun } from "./release.ts";
import type { Room } from "./room.ts";
import { runFiles } from "./run-files.ts";
import { memoryOf } from "./size.ts";
import { turnProcessors } from "./turn-processors.ts";

export interface QemuRunningParts extends ReleaseSpec {
  readonly identity: ProcessIdentity;
  /** Absent if other processes hold all monitors of the machine, or none answers. */
  readonly qmp: QmpClient | undefined;
  /** Absent if this guest does not have our agent. */
  readonly agent: AgentLink | undefined;
  /** Absent if nobody holds the streams of its QEMU. */
  readonly kept: KeptMachine | undefined;
  /** Absent if an earlier release launched it. */
  readonly room: Room | undefined;
}

/** How often a guest is asked for addresses that it lacks, in milliseconds: a guest sends no event when it gets one. */
const ADDRESS_INTERVAL = 200;

/** How long one look at a machine that has lost its monitor waits for its end, in milliseconds. */
const LOOK_TIME = 5000;

/** One run of a virtual machine: its QEMU process, a monitor, and the agent in the guest. */
export class QemuRunning implements Running<QemuCapability> {
  readonly pid: number;
  readonly exited: Promise<ExitStatus | undefined>;
  readonly files: FileOperations;
  readonly detached: GuestPrograms;
  readonly #instance: InstanceContext;
  readonly #monitorClaims: string;
  readonly #identity: ProcessIdentity;
  readonly #agent: AgentLink | undefined;
  readonly #kept: KeptMachine | undefined;
  readonly #room: Room;
  readonly #leaveLogs: (() => void) | undefined;
  readonly #onStop = new Set<() => void>();
  #qmp: QmpClient | undefined;
  #left = false;
  // The last metrics of the guest before it was frozen: they do not change while it is.
  #frozenMetrics: InstanceMetrics | undefined;

  constructor(parts: QemuRunningParts) {
    this.#instance = parts.instance;
    this.#monitorClaims = parts.releaseLock;
    this.#identity = parts.identity;
    if (parts.qmp !== undefined) this.#qmp = this.#listen(parts.qmp);
    this.#agent = parts.agent;
    this.#kept = parts.kept;
    this.#room = parts.room ?? {};
    if (parts.kept === undefined) this.#leaveLogs = boundFormerLogs(parts.instance);
    this.pid = parts.identity.pid;
    const session = (options: Abortable & Timed) => this.#session(options);
    this.files = new GuestFiles(session);
    const { run, name } = parts.instance;
    const isFrozen = (options: Abortable) => this.isFrozen(options);
    this.detached = new GuestPrograms({ name, run, session, isFrozen, onStop: this.#onStop });
    // Read now, before another process can begin another run.
    this.exited = this.#watch(parts, markOf(parts.instance));
  }

  lacks(capability: Capability): string | undefined {
    return lacks(capability, { agent: this.#agent, kept: this.#kept });
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
    return hasAddresses(agent, this.#instance.nics, options);
  }

  /** Opens the serial console, which the keeper of the machine holds. */
  console(options: Abortable): Promise<BackendConsole> {
    return keeperConsole(this.#instance.run, options);
  }

  async exec(request: ExecRequest, options: Abortable): Promise<BackendProcess> {
    return (await this.#session(options)).exec(request, options);
  }

  async addresses(options: Abortable = {}): Promise<readonly InterfaceAddress[]> {
    return (await this.#session(options)).addresses(options);
  }

  /** See {@link machineMetrics}. */
  metrics(options: Abortable = {}): Promise<InstanceMetrics> {
    const guest = async () =>
      (await this.isFrozen(options))
        ? this.#frozenMetrics
        : guestMetrics(await agentIfFree(this.#reach, options), options);
    const disks = () => diskMetrics(this.#qmp, options);
    return machineMetrics(this.#instance, this.#identity, guest, disks, () => this.#memory(options));
  }

  // Another process may have changed it.
  async #memory(options: Abortable): Promise<number> {
    const { name, config } = this.#instance;
    const qmp = this.#room.memory === undefined ? undefined : this.#qmp;
    return qmp === undefined ? memoryOf(config) : guestMemory(name, qmp, options);
  }

  /** Changes the size of the machine: {@link changeSize}. */
  async update(change: LiveChange, options: Abortable): Promise<void> {
    const agent = (given: Abortable) => this.#session({ ...given, timeout: ANSWER_TIMEOUT });
    const { name } = this.#instance;
    if (Object.keys(this.#room).length > 0)
      await changeSize({ name, room: this.#room, qmp: this.#monitor, agent }, change, options);
  }

  async freeze(options: Abortable = {}): Promise<void> {
    this.#frozenMetrics = undefined;
    await this.detached.beginList();
    const ask = async (agent: AgentClient, limited: Abortable) => {
      const noted = this.detached.noteList(agent, limited);
      // In the same turn: a session without a call may end, because another process wants its port.
      const figures = agent.metrics(limited);
      figures.catch(() => undefined);
      await noted;
      this.#frozenMetrics = await figures;
    };
    try {
      // Also when other processes have all ports: nobody can ask it later.
      await askAgent(this.#reach, options, ask, "session");
      await turnProcessors(this.#monitor, "stop", options);
    } catch (error) {
      await this.detached.forgetList().catch(() => undefined);
      throw error;
    }
  }

  /** A frozen guest does not see time pass. If its agent answers, the guest's clock is corrected. */
  async unfreeze(options: Abortable = {}): Promise<void> {
    await turnProcessors(this.#monitor, "cont", options);
    try {
      await this.detached.forgetList();
      await askAgent(this.#reach, options, (agent, limited) => agent.advanceClock(limited));
    } finally {
      if (this.#agent !== undefined) this.detached.deliverSignals();
    }
  }

  async isFrozen(options: Abortable): Promise<boolean | undefined> {
    return this.#qmp && (await isPaused(this.#instance.name, this.#qmp, options));
  }

  /** @throws {ConnectionError} */
  get #monitor(): QmpClient {
    if (this.#qmp !== undefined) return this.#qmp;
    const why = "other processes hold them all, or none answers; the machine runs on, and a kill needs no monitor";
    throw new ConnectionError(`the monitors of "${this.#instance.name}"`, why);
  }

  /**
   * Asks the agent. If there is no agent yet, or other processes use all its ports, presses the power button. Early in its boot a
   * guest may ignore the button, so the agent is asked as well as soon as it can be.
   */
  async shutdown(options: Abortable): Promise<void> {
    const agent = await agentIfFree(this.#reach, options);
    if (agent !== undefined) return lastRequest(() => agent.shutdown(options));
    await this.#monitor.execute("system_powerdown", {}, options);
    const late = this.#agent?.session({ ...options, timeout: Number.POSITIVE_INFINITY });
    // The caller waits for the machine to end, with a deadline: an error of the guest here concerns no caller.
    late?.then((agent) => lastRequest(() => agent.shutdown(options))).catch(() => undefined);
  }

  /** Asks the agent. Another boot has another id; an agent that merely restarted has the same. */
  async reboot(options: Abortable): Promise<void> {
    let agent = await this.#session(options);
    const { bootId } = agent.welcome;
    await lastRequest(() => agent.reboot(options));
    while (agent.welcome.bootId === bootId) agent = await this.#link.sessionAfter(agent, options);
  }

  async kill(): Promise<void> {
    await signalProcess(this.#identity, "SIGKILL");
  }

  async detach(): Promise<void> {
    this.#left = true;
    this.#kept?.detach();
    this.#leaveLogs?.();
    await Promise.all([this.#agent?.close(), this.#qmp?.close()]);
  }

  get #reach() {
    return { link: this.#agent, qmp: this.#qmp };
  }

  #session(options: Abortable & Timed): Promise<AgentClient> {
    return this.#link.session(options);
  }

  /** @throws {UnsupportedError} */
  get #link(): AgentLink {
    if (this.#agent !== undefined) return this.#agent;
    throw new UnsupportedError({ capability: "exec", reason: NO_AGENT });
  }

  // Its keeper ends with QEMU. A machine without one closes its monitors as it ends, which shows its end in every
  // process. Never rejects.
  async #watch(spec: ReleaseSpec, mark: string | undefined): Promise<ExitStatus | undefined> {
    for (;;) {
      await Promise.race([this.#qmp?.closed, this.#lastKeeper()]);
      if (this.#left) return new Promise(() => undefined);
      if (await endsWithin(this.#identity, LOOK_TIME)) break;
      // QEMU lives, so only the session broke: the next session will show the end.
      const next = await this.#reconnect();
      if (this.#left) await next?.close();
      else if (next !== undefined) this.#qmp = this.#listen(next);
    }
    this.#leaveLogs?.();
    // Before the release, which ends a keeper that is not done.
    const exit = await this.#kept?.exit();
    // What cannot be released now is released before the next start, and at the next open.
    await Promise.allSettled([this.#agent?.close(), this.#qmp?.close(), releaseRun(spec, mark)]);
    return exit?.status;
  }

  /** Resolves when the keeper ends with the machine; never when its streams are lost while the machine runs on. */
  async #lastKeeper(): Promise<void> {
    if (this.#kept === undefined) return new Promise(() => undefined);
    await this.#kept.over;
    if (!(await isAlive(this.#identity).catch(() => true))) return;
    return new Promise(() => undefined);
  }

  // A guest that reboots, or whose agent dies, sends nothing over the port: QEMU reports that the port closed.
  #listen(qmp: QmpClient): QmpClient {
    qmp.events.on("VSERPORT_CHANGE", ({ data }) => {
      const port = agentPortOf(data.id);
      if (port !== undefined && !data.open) this.#agent?.endSession(port);
    });
    qmp.events.on("STOP", () => {
      for (const listener of [...this.#onStop]) listener();
    });
    return qmp;
  }

  async #reconnect(): Promise<QmpClient | undefined> {
    try {
      return await connectMonitor(runFiles(this.#instance).monitors, { claims: this.#monitorClaims });
    } catch {
      // Other processes hold all monitors, or QEMU hangs: the next round still checks whether it has ended.
      return undefined;
    }
  }
}
