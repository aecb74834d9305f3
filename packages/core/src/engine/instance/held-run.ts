import { joinFailures } from "../../flow/cleanup.ts";
import type { InstanceExit } from "../../terms/state.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";
import { wholeExit } from "./exit-facts.ts";
import type { InstanceLock } from "./instance-lock.ts";
import type { RecordAccess } from "./instance-record.ts";
import type { StopMarks } from "./stop-mark.ts";

/** What a {@link HeldRun} uses of its instance. */
export interface HeldRunParts {
  readonly record: RecordAccess;
  readonly lock: InstanceLock;
  readonly stops: StopMarks;
  /** The folder of the run. */
  readonly folder: string;
}

/** The run of one instance that this process is attached to, from its begin to the record of its end. */
export class HeldRun {
  /** The run that this process is attached to; another process may have begun a later one. */
  run: Run | undefined;
  /** A start under way in this process; other calls join it. */
  starting: { readonly done: Promise<void>; readonly signal: AbortSignal | undefined } | undefined;
  readonly #parts: HeldRunParts;

  constructor(parts: HeldRunParts) {
    this.#parts = parts;
  }

  /** Attaches this process to the run: it records the end when it comes. */
  hold(run: Run): void {
    this.run = run;
    this.#awaitEnd(run).catch(run.fail);
  }

  async #awaitEnd(run: Run): Promise<void> {
    const { lock } = this.#parts;
    try {
      run.end = { status: await run.running.exited, at: Date.now() };
    } catch (error) {
      throw await lock.locked({}, () => this.#abandon(run, error));
    }
    // Else a verb that held the lock has recorded the end, or has found a later run.
    if (this.run === run) await lock.locked({}, (_lock, { overtaken }) => this.recordEnd(run, overtaken));
    else run.settle();
  }

  /**
   * Records the end of a run and tells it, once; then settles the run. Another process that was attached to the same run
   * may have recorded the end already, or started the next run: then its record stays. Only under the lock.
   */
  async recordEnd(run: Run, overtaken: AbortSignal): Promise<void> {
    if (run.end === undefined) return;
    // Else a verb has found a later run meanwhile, which this end does not concern.
    if (this.run === run) {
      const record = this.#parts.record.readOwn();
      if (record?.run === run.id) {
        run.exit = record.state === "stopped" ? record.exit : await this.exitOf(record, run);
        overtaken.throwIfAborted();
        // Another process has recorded and told the end already.
        if (record.state === "stopped") this.#parts.record.announce(record);
        else await this.#parts.record.end(record, run.exit, overtaken);
      }
      this.run = undefined;
    }
    run.settle();
  }

  /**
   * Detaches from a run whose end the driver failed to report; the next verb looks for it again. Only under the lock.
   * Returns the error to throw.
   */
  async #abandon(run: Run, failure: unknown): Promise<unknown> {
    if (this.run !== run) return failure;
    this.run = undefined;
    this.#parts.record.markUnreachable(failure);
    try {
      await run.running.detach();
      return failure;
    } catch (error) {
      return joinFailures([failure, error]);
    }
  }

  /** How and why a run ended. Another process may have killed it before it could record the request. */
  async exitOf(record: InstanceRecord, run: Run): Promise<InstanceExit> {
    const { status, at = Date.now() } = run.end ?? {};
    const stopRequested = record.stopRequested || run.endRequested || (await this.#parts.stops.isAnyUnderWay());
    return wholeExit(this.#parts.folder, record, { reason: stopRequested ? "requested" : "program", status, at });
  }

  /**
   * Kills the run at once, without the instance's lock: the holder of the lock may hang for as long as the instance
   * lives. If another process sees the end first, the mark tells it that the end was requested. Returns the function
   * that removes the mark; `undefined` when there is no run.
   */
  async killWithoutLock(): Promise<(() => Promise<void>) | undefined> {
    const { run } = this;
    if (run === undefined || run.end !== undefined) return undefined;
    // A kill without a mark is better than no kill.
    const unmark = await this.#parts.stops.mark().catch(() => undefined);
    run.killNow();
    return unmark;
  }
}
