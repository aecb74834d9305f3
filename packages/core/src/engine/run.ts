import type { Capability } from "../contract/capability.ts";
import type { ExitStatus, InstanceExit } from "../contract/state.ts";
import type { RunningCore, RunningOperations } from "../driver/backend.ts";
import { unlimitedController } from "../driver/deadline.ts";

/** A running instance of whatever driver: what its capabilities promise is there, nothing else is. */
export type AnyRunning = RunningCore & Partial<RunningOperations<Capability>>;

/** One run of an instance, from start to stop, as this process holds it. */
export class Run {
  /** {@link InstanceRecord.run}. */
  readonly id: string;
  readonly running: AnyRunning;
  /** Aborts when it ends. */
  readonly over: AbortSignal;
  /** Resolves when the end of this run is on record; rejects when it could not be put there. */
  readonly settled: Promise<void>;
  /** How it ended, once it has. `undefined` inside: nobody knows how. */
  end: { readonly status: ExitStatus | undefined } | undefined;
  /** Its end was asked for, whether that is on record yet or not. */
  endRequested = false;
  /** What was put on record of it. */
  exit: InstanceExit | undefined;
  /** Called when the end is on record. */
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
    // Nobody may be waiting.
    this.settled.catch(() => undefined);
  }

  /** Why the capability cannot be used now; `undefined` if it can. */
  lacks(capability: Capability): string | undefined {
    return this.running.lacks?.(capability);
  }

  /** Kills it. A failure is not reported: the caller kills again under the instance's lock. */
  killNow(): void {
    if (this.end !== undefined) return;
    this.endRequested = true;
    this.running.kill().catch(() => undefined);
  }
}
