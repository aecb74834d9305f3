import type { RunningCore, RunningOperations } from "../../contract/backend.ts";
import type { Capability } from "../../contract/capability.ts";
import { unlimitedController } from "../../flow/deadline.ts";
import type { ExitStatus, InstanceExit } from "../../terms/state.ts";

/** A running instance of any driver. It has the operations of its capabilities and no others. */
export type AnyRunning = RunningCore & Partial<RunningOperations<Capability>>;

/** One run of an instance, from start to stop, that this process is attached to. */
export class Run {
  /** {@link InstanceRecord.run}. */
  readonly id: string;
  readonly running: AnyRunning;
  /** Aborts when the run ends. */
  readonly over: AbortSignal;
  /** Resolves when the end of this run is recorded; rejects when recording failed. */
  readonly settled: Promise<void>;
  /** How and when the run ended, once it has. An undefined `status` means that it is unknown. */
  end: { readonly status: ExitStatus | undefined; readonly at: number } | undefined;
  /** Its end was requested, whether that is recorded yet or not. */
  endRequested = false;
  /** The exit that was recorded. */
  exit: InstanceExit | undefined;
  /** Called when the end is recorded. */
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;

  constructor(id: string, running: AnyRunning) {
    this.id = id;
    this.running = running;
    const over = unlimitedController();
    const end = () => over.abort();
    running.exited.then(end, end);
    this.over = over.signal;
    let settle = () => {};
    let fail: (error: unknown) => void = () => {};
    this.settled = new Promise((resolve, reject) => {
      settle = resolve;
      fail = reject;
    });
    this.settle = settle;
    this.fail = fail;
    // There may be no waiter.
    this.settled.catch(() => undefined);
  }

  /** Why the capability cannot be used now; `undefined` if it can. */
  lacks(capability: Capability): string | undefined {
    return this.running.lacks?.(capability);
  }

  /** Kills the run. A failure is not reported: the caller kills again under the instance's lock. */
  killNow(): void {
    if (this.end !== undefined) return;
    this.endRequested = true;
    this.running.kill().catch(() => undefined);
  }
}
