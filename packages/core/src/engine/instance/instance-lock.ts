import { existsSync } from "node:fs";
import { StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortableWithin, Deadline, linkSignals, unlimitedController } from "../../flow/deadline.ts";
import { acquireLock, isHeld, type Lock, tryLock } from "../../system/lock.ts";
import { Mutex } from "../../system/mutex.ts";
import { Overtaken } from "../gate/overtaken.ts";
import { UNDO_GRACE } from "../gate/step-timeouts.ts";
import type { InstanceRecord } from "../record/record.ts";
import { settleDone, undoRenames } from "../record/settle.ts";
import { announce } from "../root/announce.ts";
import type { RecordAccess } from "./instance-record.ts";
import { type Shared, track } from "./shared.ts";
import type { StopMarks } from "./stop-mark.ts";

/** Options of {@link InstanceLock.locked}. An abort ends the wait for the lock; `work` gets the signal too. */
export interface LockedOptions extends Abortable {
  /**
   * Whether this call kills or deletes the instance. The call that has the lock, in any process, is then given up if it
   * does not end within a second. Default false.
   */
  readonly overtakes?: boolean | undefined;
  /**
   * Whether a rename that was cut short is undone first, which waits for networks. Default for a verb: true, unless it
   * overtakes.
   */
  readonly undoesRenames?: boolean | undefined;
}

/** What the work under the lock is told. */
export interface Turn {
  /** The signal of the call, which disposing the host aborts too. */
  readonly signal: AbortSignal;
  /** Aborts only when a kill or a deletion has overtaken the call: for undoing, which goes on after other aborts. */
  readonly overtaken: AbortSignal;
}

/** Milliseconds after which a call that has the lock is given up for a kill or a deletion. */
const OVERTAKE_AFTER = 1000;
/** The same, if the call kills or deletes the instance too. */
const OVERTAKE_LIKE_AFTER = 10_000;
/** How long a kill or a deletion waits for a process that does not give the lock up, in milliseconds. */
const OVERTAKE_TIMEOUT = 360_000;

/** The lock of one instance: lets one call at a time change it, of all processes that use the root. */
export class InstanceLock {
  readonly #engine: Shared;
  readonly #key: string;
  readonly #record: RecordAccess;
  readonly #stops: StopMarks;
  readonly #mutex = new Mutex();
  /** Gives up the call of this process that has the lock. */
  #giveUp: (() => void) | undefined;
  /** The calls of this process that wait to kill or delete the instance. */
  #overtakers = 0;

  constructor(engine: Shared, key: string, record: RecordAccess, stops: StopMarks) {
    this.#stops = stops;
    this.#engine = engine;
    this.#key = key;
    this.#record = record;
  }

  /** Whether a call of any process has the lock. */
  get isTaken(): boolean {
    return isHeld(this.#engine.layout.instanceLock(this.#key));
  }

  /**
   * Runs `work` while no other call in any process changes the instance. `work` gets the current record.
   *
   * @throws {StateError} when a kill or a deletion has overtaken the call
   */
  async exclusively<T>(
    verb: string,
    options: LockedOptions,
    work: (record: InstanceRecord, turn: Turn) => Promise<T>,
  ): Promise<T> {
    const change = async (_lock: Lock, turn: Turn) => {
      const record = this.#record.read(verb);
      this.#record.announce(record);
      return work(record, turn);
    };
    return this.#inTurn(verb, { undoesRenames: options.overtakes !== true, ...options }, change);
  }

  /** As {@link exclusively}, without the record: for a verb that handles any record. */
  locked<T>(options: LockedOptions, work: (lock: Lock, turn: Turn) => Promise<T>): Promise<T> {
    return this.#inTurn("change", options, work);
  }

  async #inTurn<T>(verb: string, options: LockedOptions, work: (lock: Lock, turn: Turn) => Promise<T>): Promise<T> {
    const linked = linkSignals(options.signal, this.#engine.closing);
    const { signal } = linked;
    const { overtakes = false, undoesRenames = false } = options;
    this.#overtakers += overtakes ? 1 : 0;
    let waits = overtakes;
    const arrive = () => {
      this.#overtakers -= waits ? 1 : 0;
      waits = false;
    };
    if (overtakes) this.#giveUp?.();
    const turn = this.#mutex.run(
      async () => {
        const lock = await this.#acquire(overtakes, signal);
        arrive();
        try {
          const unfinished = settleDone(this.#engine, this.#key);
          return await this.#work(verb, overtakes, signal, async (mine) => {
            if (undoesRenames && unfinished !== undefined) {
              await undoRenames(this.#engine, unfinished, mine);
              mine.signal.throwIfAborted();
            }
            return work(lock, mine);
          });
        } finally {
          // Nothing would remove the lock file of an instance that does not exist.
          if (existsSync(this.#engine.layout.instance(this.#key))) await lock.release();
          else await lock.retire();
        }
      },
      { signal },
    );
    try {
      return await track(this.#engine, turn);
    } finally {
      arrive();
      linked[Symbol.dispose]();
    }
  }

  /** Does `work`, unless a kill or a deletion overtakes it. */
  async #work<T>(verb: string, overtakes: boolean, signal: AbortSignal, work: (turn: Turn) => Promise<T>): Promise<T> {
    const overtaken = unlimitedController();
    using all = linkSignals(overtaken.signal, signal);
    let timer: NodeJS.Timeout | undefined;
    this.#giveUp = () => {
      timer ??= setTimeout(() => overtaken.abort(new Overtaken()), overtakes ? OVERTAKE_LIKE_AFTER : OVERTAKE_AFTER);
    };
    try {
      // They may have come before this call had the lock.
      if (this.#overtakers > 0) this.#giveUp();
      else this.heedOthers();
      // The driver has had its time to undo what it did; whatever else the work waits for is not waited for.
      return await abortableWithin(
        work({ signal: all.signal, overtaken: overtaken.signal }),
        overtaken.signal,
        2 * UNDO_GRACE,
      );
    } catch (error) {
      if (!overtaken.signal.aborted) throw error;
      const cause = error instanceof Overtaken ? {} : { cause: error };
      throw new StateError(
        { instance: this.#record.name, verb, state: "stopping", expected: [], overtaken: true },
        cause,
      );
    } finally {
      clearTimeout(timer);
      this.#giveUp = undefined;
    }
  }

  /** Gives up the call of this process that has the lock if another process waits to kill or delete the instance. */
  heedOthers(): void {
    if (this.#giveUp !== undefined && this.#stops.isOvertakerWaiting()) this.#giveUp();
  }

  async #acquire(overtakes: boolean, signal: AbortSignal): Promise<Lock> {
    const { layout } = this.#engine;
    const path = layout.instanceLock(this.#key);
    if (!overtakes) return acquireLock(path, { signal });
    const free = await tryLock(path);
    if (free !== undefined) return free;
    using deadline = new Deadline({
      action: `waiting for other calls on instance "${this.#record.name}"`,
      timeout: OVERTAKE_TIMEOUT,
      signal,
      hint: `another process has locked it and does not react: find it with fuser ${path}, and end it`,
    });
    // Without the mark the other process is not told, and its own deadlines apply.
    const unmark = await this.#stops.mark("overtaker").catch(() => undefined);
    try {
      await announce(layout.instance(this.#key)).catch(() => undefined);
      return await acquireLock(path, { signal: deadline.signal });
    } finally {
      await unmark?.();
    }
  }
}
