import { Readable } from "node:stream";
import type { Abortable, ProgressOptions } from "../../contract/abortable.ts";
import type { Capability, LogStream } from "../../contract/capability.ts";
import { NotFoundError, UnsupportedError } from "../../contract/errors.ts";
import type { Backend, InstanceContext, Plan, Running } from "../../driver/backend.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { FakeMachine } from "./machine.ts";
import type { FakeProgram } from "./process.ts";
import { FakeRunning } from "./running.ts";
import { loadTree } from "./tree-load.ts";
import type { FakeDisk, FakeWorld } from "./world.ts";

/** The steps that a test can make fail. */
export type FakeStep = "materialize" | "launch" | "adopt" | "remove" | "shutdown" | "kill" | "exec" | "reboot";

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
  /** The streams of which its instances have logs. */
  readonly streams: readonly LogStream[];
}

/** The configuration section of a fake driver. */
export interface FakeSection {
  /** Ignores a request to stop. */
  readonly stubborn: boolean;
  /** A file that must exist for a start. */
  readonly init?: string | undefined;
}

export class FakeBackend implements Backend {
  readonly #options: BackendOptions;

  constructor(options: BackendOptions) {
    this.#options = options;
  }

  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
    if (before === undefined) return { changes: [] };
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const changed = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
    return { changes: changed.map((path) => ({ path, effect: "next-start" as const })) };
  }

  async materialize(instance: InstanceContext, options: ProgressOptions): Promise<void> {
    await this.#options.faults.materialize?.(instance, options);
    const tree = await loadTree(instance.tree, options);
    tree.write("/etc/hostname", Buffer.from(`${instance.name}\n`));
    this.#options.world.disks.set(instance.uuid, { instance: instance.name, tree, log: "" });
    options.onProgress?.({ phase: "materialize", done: 1, total: 1 });
  }

  async launch(instance: InstanceContext, options: Abortable): Promise<Running> {
    const { world, faults, programs } = this.#options;
    await faults.launch?.(instance, options);
    options.signal?.throwIfAborted();
    const disk = this.#disk(instance);
    const { stubborn, init } = instance.config[this.#options.driver] as FakeSection;
    if (init !== undefined && disk.tree.find(init) === undefined) throw new NotFoundError("program", init);
    const machine = new FakeMachine(disk.tree, programs, !stubborn);
    disk.log = `${instance.name}: up\n`;
    world.machines.set(instance.uuid, machine);
    void machine.ended.then(() => world.machines.delete(instance.uuid));
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

  async logs(instance: InstanceContext, stream: LogStream): Promise<Readable> {
    const { streams } = this.#options;
    if (!streams.includes(stream))
      throw new UnsupportedError({
        capability: `logs:${stream}`,
        reason: `it prints to its ${streams.join(" and ")} only`,
      });
    return Readable.from(stream === "stderr" ? [] : [this.#disk(instance).log], { objectMode: false });
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
