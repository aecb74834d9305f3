import { type Abortable, isInstanceError } from "@pileus/core";
import { allOrNothing, type DiskMounts, type LiveChange, linkSignals } from "@pileus/core/driver";
import { ChangedLimits } from "./changed-limits.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { disksOf } from "./disks.ts";
import type { LimitedRun } from "./live-limits.ts";
import type { Monitor } from "./monitor.ts";

/** What {@link LiveChanges} needs to know of a run. */
export interface ChangingRun extends Omit<LimitedRun, "name"> {
  /** Whether the PID 1 of that id is ending, or has ended. */
  isEnding(pid: number): boolean;
  /** Aborted when the run is over. */
  readonly over: AbortSignal;
}

/** What changes of a container while it runs: its disks and its limits. */
export class LiveChanges {
  readonly #monitor: Monitor;
  readonly #run: ChangingRun;
  readonly #limits: ChangedLimits;
  readonly #disks: DiskMounts;

  constructor(spec: ContainerSpec, monitor: Monitor, run: ChangingRun) {
    const name = spec.hostName;
    this.#monitor = monitor;
    this.#run = run;
    this.#limits = new ChangedLimits(spec.run, {
      name,
      cgroups: run.cgroups,
      folder: (controller) => run.folder(controller),
    });
    this.#disks = disksOf(spec, monitor.init);
    // A container gets its cgroups anew at a reboot inside, which nobody of ours may have seen.
    void this.restore();
    monitor.onBoot(() => void this.restore());
  }

  /** Sets the limits once more that were changed since the launch. Never rejects. */
  restore(): Promise<void> {
    return this.#limits.restore();
  }

  /** All or nothing. */
  async make(change: LiveChange, options: Abortable): Promise<void> {
    const { before, after, force } = change;
    await allOrNothing(async (undo) => {
      await this.#disks.change(after.devices, { force });
      undo(() => this.#disks.change(before.devices, { force: true }));
      options.signal?.throwIfAborted();
      await this.#changeLimits(change, options);
    });
  }

  /** A reboot inside takes the cgroups away for a moment. */
  async #changeLimits({ before, after }: LiveChange, options: Abortable): Promise<void> {
    const change = () => this.#limits.change(before.limits, after.limits, options);
    const init = this.#monitor.init.find();
    try {
      await change();
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isInstanceError(error, "ERR_CONNECTION") || (init !== undefined && !this.#run.isEnding(init.pid)))
        throw error;
      using linked = linkSignals(options.signal, this.#run.over);
      await this.#monitor.untilNextInit(init, linked);
      await change();
    }
  }
}
