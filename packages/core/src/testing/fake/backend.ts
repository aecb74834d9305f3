import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Backend, InstanceContext, Plan, Running } from "../../contract/backend.ts";
import type { Capability } from "../../contract/capability.ts";
import { renderPlan } from "../../driver/plan.ts";
import { type ConfigIssue, NotFoundError } from "../../errors/all.ts";
import { parseSignal } from "../../files/signal-name.ts";
import type { Abortable, ProgressOptions } from "../../flow/abortable.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { parseProcessors } from "../../model/processor-set.ts";
import type { InstanceKind } from "../../terms/instance-kind.ts";
import type { ExitStatus } from "../../terms/state.ts";
import { FakeMachine } from "./machine.ts";
import { FakeOutput } from "./output.ts";
import type { FakeProgram } from "./process.ts";
import { FakeRunning, PATH } from "./running.ts";
import { loadTree } from "./tree-load.ts";
import { findUser } from "./users.ts";
import type { FakeDisk, FakeWorld } from "./world.ts";

/** The steps that a test can make fail. */
export type FakeStep =
  | "materialize"
  | "launch"
  | "adopt"
  | "remove"
  | "shutdown"
  | "kill"
  | "exec"
  | "reboot"
  | "update";

/**
 * Called before the step of that name. If it throws, the step fails with that error; if it returns, the step goes on. A
 * hook that waits must obey the signal.
 */
export type FakeFaults = {
  readonly [S in FakeStep]?: ((instance: InstanceContext, options: Abortable) => void | Promise<void>) | undefined;
};

export interface BackendOptions {
  readonly driver: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly world: FakeWorld;
  readonly programs: Readonly<Record<string, FakeProgram>>;
  readonly faults: FakeFaults;
  readonly kind: InstanceKind;
}

/**
 * Records the end of a run as its keeper would: docs/design/0015-keeper.md. Without a descriptor to spare nothing is
 * recorded, as if the keeper had been killed: a fake instance keeps none open.
 */
function recordEnd(run: string, machine: FakeMachine, status: ExitStatus): void {
  // The folder is gone with an instance that was deleted meanwhile.
  if (!existsSync(join(run, "exit.new"))) return;
  const signal = status.kind === "signaled" ? (parseSignal(status.signal) ?? 0) : 0;
  const record = {
    version: 1,
    pid: process.pid,
    status: status.kind === "exited" ? status.code << 8 : signal,
    oomKills: machine.oomKills,
    startedAt: machine.startedAt,
    endedAt: Date.now(),
    cpuNanoseconds: Math.round(machine.cpuSeconds * 1e9),
    memoryPeak: machine.memoryPeak,
    lostEntries: 0,
    lostBytes: 0,
    boots: machine.boots,
  };
  const reserved = join(run, "exit.new");
  try {
    writeFileSync(reserved, `${JSON.stringify(record)}\n`.padEnd(RESERVED), { flag: "r+" });
    renameSync(reserved, join(run, "exit"));
  } catch (error) {
    if (!["EMFILE", "ENFILE"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** The length of the record of an end, for which there is room from the start on. */
const RESERVED = 512;

/** The configuration section of a fake driver. */
export interface FakeSection {
  /** Ignores a request to stop. */
  readonly stubborn: boolean;
  /** A file that must exist for a start. */
  readonly init?: string | undefined;
  /** The main program. */
  readonly main?: readonly string[] | undefined;
}

const EFFECTS = {
  labels: "live",
  env: "next-start",
  log: "next-start",
  "limits.cpu": "live",
  "limits.memory": "live",
  "limits.processes": "live",
} as const;

/** Those of a fake host. */
const PROCESSORS = parseProcessors("0-3");

function refusals({ limits }: InstanceConfig): readonly ConfigIssue[] {
  const missing = [...(parseProcessors(limits.cpu?.set ?? "0") ?? [])].find((one) => !PROCESSORS?.has(one));
  if (missing === undefined) return [];
  return [{ path: ["limits", "cpu", "set"], message: `the fake host has no processor ${missing}: it has 0-3` }];
}

export class FakeBackend implements Backend {
  readonly #options: BackendOptions;

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
    const section = this.#options.driver;
    const own = Object.fromEntries(
      ["stubborn", "init", "main"].map((key) => [`${section}.${key}`, "next-start" as const]),
    );
    return renderPlan(before, after, { section, effects: { ...EFFECTS, ...own }, refused: refusals(after) });
  }

  async materialize(instance: InstanceContext, options: ProgressOptions): Promise<void> {
    await this.#options.faults.materialize?.(instance, options);
    const tree = await loadTree(instance.tree, options);
    this.#options.world.disks.set(instance.uuid, { instance: instance.name, tree });
    options.onProgress?.({ phase: "materialize", done: 1, total: 1 });
  }

  async launch(instance: InstanceContext, options: Abortable): Promise<Running> {
    const { world, faults, programs } = this.#options;
    await faults.launch?.(instance, options);
    options.signal?.throwIfAborted();
    const disk = this.#disk(instance);
    const { stubborn, init, main } = instance.config[this.#options.driver] as FakeSection;
    if (init !== undefined && disk.tree.find(init) === undefined) throw new NotFoundError("program", init);
    writeFileSync(join(instance.run, "exit.new"), " ".repeat(RESERVED));
    disk.tree.write("/etc/hostname", Buffer.from(`${instance.name}\n`));
    const output = new FakeOutput(instance.log, this.#options.kind, instance.config.log);
    const machine = new FakeMachine(disk.tree, programs, { obeys: !stubborn, output, limits: instance.config.limits });
    if (main === undefined) output.print(1, `${instance.name}: up\n`);
    world.machines.set(instance.uuid, machine);
    void machine.ended.then((status) => {
      world.machines.delete(instance.uuid);
      output.end();
      recordEnd(instance.run, machine, status);
    });
    const { process: image } = instance.image;
    const user = findUser(disk.tree, image?.user || undefined);
    const env = { PATH, HOME: user.home, ...instance.config.env };
    if (main !== undefined)
      machine.startMain({ argv: main, env, cwd: image?.workdir ?? "/", user, stdio: output.stdio });
    return this.#running(instance, machine, disk);
  }

  async adopt(instance: InstanceContext, options: Abortable): Promise<Running | undefined> {
    await this.#options.faults.adopt?.(instance, options);
    const machine = this.#options.world.machines.get(instance.uuid);
    return machine === undefined ? undefined : this.#running(instance, machine, this.#disk(instance));
  }

  async remove(instance: InstanceContext, options: Abortable): Promise<void> {
    await this.#options.faults.remove?.(instance, options);
    this.#options.world.disks.delete(instance.uuid);
  }

  #disk(instance: InstanceContext): FakeDisk {
    const disk = this.#options.world.disks.get(instance.uuid);
    if (disk === undefined)
      throw new NotFoundError("instance", instance.name, { hint: "it was created in another fake world" });
    return disk;
  }

  #running(instance: InstanceContext, machine: FakeMachine, disk: FakeDisk): Running {
    return new FakeRunning({ ...this.#options, instance, machine, disk }).asRunning();
  }
}
