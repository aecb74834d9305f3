import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectAgent } from "@pileus/agent";
import type { Driver } from "@pileus/core";
import { type InstanceContext, identifyProcess } from "@pileus/core/driver";
import { AgentLink } from "../../src/agent-link.ts";
import type { QemuCapability } from "../../src/capability.ts";
import { QmpClient } from "../../src/qmp/index.ts";
import { runFiles } from "../../src/run-files.ts";
import { QemuRunning } from "../../src/running.ts";
import { QemuSectionSchema } from "../../src/section.ts";
import { FakeMonitor, SILENCE } from "../support/fake-monitor.ts";
import { type PeerFault, ScriptedGuest } from "./scripted-guest.ts";

/** Which peer misbehaves, how, and after how many correct answers. */
export interface Misbehavior {
  readonly peer: "agent" | "monitor";
  readonly fault: PeerFault;
  readonly after: number;
}

/**
 * A driver of machines whose QEMU is a sleeping process with a scripted monitor and a scripted guest. Everything
 * between these and the engine is the real code.
 */
export class HostileMachines implements AsyncDisposable {
  readonly #guests: ScriptedGuest[] = [];
  readonly #monitors: FakeMonitor[] = [];
  readonly #children: ChildProcess[] = [];
  #misbehavior: Misbehavior | undefined;
  #answered = 0;
  #flooding: NodeJS.Timeout | undefined;

  /** Makes the peer misbehave from now on. */
  begin(misbehavior: Misbehavior): void {
    this.#misbehavior = misbehavior;
    this.#answered = 0;
    if (misbehavior.peer === "monitor") return;
    for (const guest of this.#guests) Object.assign(guest, { fault: misbehavior.fault, honest: misbehavior.after });
  }

  driver(): Driver<"qemu", QemuCapability, typeof QemuSectionSchema> {
    return {
      name: "qemu",
      kind: "virtual-machine",
      capabilities: new Set(["exec", "files", "freeze", "network", "metrics", "logs", "reboot"]),
      section: QemuSectionSchema,
      accepts: ["rootfs"],
      probe: async () => ({ usable: true, missing: [], facts: [] }),
      open: (context) => ({
        plan: () => ({ changes: [] }),
        materialize: async () => undefined,
        launch: (instance) => this.#launch(instance, join(context.folder, "releases", `${instance.uuid}.lock`)),
        adopt: async () => undefined,
        remove: async () => undefined,
        logs: () => {
          throw new TypeError("this driver keeps no logs");
        },
      }),
    };
  }

  async #launch(instance: InstanceContext, releaseLock: string): Promise<QemuRunning> {
    const monitor = await this.#startMonitor();
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    this.#children.push(child);
    await once(child, "spawn");
    child.once("exit", () => monitor.hangUp());
    const identity = await identifyProcess(child.pid ?? 0);
    if (identity === undefined) throw new Error("the stand-in did not start");
    await writeFile(runFiles(instance).monitors[0] as string, "");
    const qmp = await QmpClient.connect(monitor.path);
    const open = () => {
      const guest = new ScriptedGuest();
      this.#guests.push(guest);
      if (this.#misbehavior?.peer === "agent")
        Object.assign(guest, { fault: this.#misbehavior.fault, honest: this.#misbehavior.after });
      return connectAgent({ connect: () => guest.host });
    };
    const agent = new AgentLink(open);
    await agent.session();
    const cgroup = `pileus-hostile-${instance.uuid}`;
    return new QemuRunning({ instance, releaseLock, cgroup, identity, qmp, agent, kept: undefined, room: undefined });
  }

  async #startMonitor(): Promise<FakeMonitor> {
    let status = "running";
    const monitor: FakeMonitor = await FakeMonitor.start(({ execute }) => {
      if (this.#misbehavior?.peer === "monitor" && this.#answered++ >= this.#misbehavior.after)
        return this.#misbehave(monitor, this.#misbehavior.fault);
      if (execute === "stop") status = "paused";
      if (execute === "cont") status = "running";
      return execute === "query-status" ? { status, running: status === "running" } : {};
    });
    this.#monitors.push(monitor);
    return monitor;
  }

  #misbehave(monitor: FakeMonitor, fault: PeerFault): unknown {
    if (fault === "lies") return { status: 7, running: "perhaps" };
    if (fault === "closes") monitor.hangUp();
    if (fault === "floods") this.#flooding ??= setInterval(() => monitor.raw(`${"[".repeat(50_000)}\r\n`), 1);
    return SILENCE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#flooding);
    for (const child of this.#children) child.kill("SIGKILL");
    for (const guest of this.#guests) guest.dispose();
    for (const monitor of this.#monitors) await monitor[Symbol.asyncDispose]();
  }
}
