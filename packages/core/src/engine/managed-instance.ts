import { existsSync } from "node:fs";
import type { Abortable } from "../contract/abortable.ts";
import type { Capability } from "../contract/capability.ts";
import { HostError, StateError, UnsupportedError } from "../contract/errors.ts";
import type { InstanceState } from "../contract/state.ts";
import { abortable, linkSignals } from "../driver/deadline.ts";
import { adoptRun, runningState } from "./adopt.ts";
import { type Engine, type OpenDriver, track } from "./engine.ts";
import { abandonRun, recordExit } from "./exit.ts";
import { acquireLock, type Lock } from "./lock.ts";
import { Mutex } from "./mutex.ts";
import { type InstanceRecord, unusable, writeRecord } from "./record.ts";
import type { Run } from "./run.ts";
import { isStopUnderWay } from "./stop-mark.ts";
import { stoppedError } from "./stopped-error.ts";
import { assertTransition } from "./transition.ts";

/** Options of {@link ManagedInstance.use}. */
export interface UseOptions extends Abortable {
  /** The capability that the verb needs, of the driver and of the instance now. */
  readonly capability?: Capability | undefined;
  /** Default: only `running`. */
  readonly expected?: readonly InstanceState[] | undefined;
}

/** Options of {@link ManagedInstance.locked}. An abort ends the wait for the lock; `work` gets the signal too. */
export interface LockedOptions extends Abortable {
  /** The instance's lock, if the caller holds it already; it is released afterwards. */
  readonly lock?: Lock | undefined;
}

/**
 * One instance as this process knows it: access to its record and its lock, and the run that this process is attached
 * to. Every verb has a file of its own that works on this.
 */
export class ManagedInstance {
  readonly engine: Engine;
  readonly name: string;
  /** Distinguishes it from a later instance of the same name. */
  readonly uuid: string;
  readonly driverName: string;
  /** The run that this process is attached to; another process may have begun a later one. */
  run: Run | undefined;
  /** A start under way in this process; other calls join it. */
  starting: { readonly done: Promise<void>; readonly signal: AbortSignal | undefined } | undefined;
  /** A deletion under way in this process. */
  deleting: Promise<void> | undefined;
  readonly #mutex = new Mutex();
  #announced: InstanceState;
  #gone = false;
  /** Why this process cannot tell the state of the instance. Another process may be attached to the run and know it. */
  #unreachable: string | undefined;

  constructor(engine: Engine, record: InstanceRecord) {
    this.engine = engine;
    this.name = record.config.name;
    this.uuid = record.uuid;
    this.driverName = record.config.driver;
    this.#announced = record.state;
  }

  /** The record as it is on disk now, without the lock. @throws {StateError} `deleted` */
  read(verb: string): InstanceRecord {
    const { records, layout } = this.engine;
    const reading = records.read(this.name);
    if (reading.kind === "newer" || reading.kind === "garbage")
      throw unusable(this.name, layout.record(this.name), reading);
    if (reading.kind === "record" && reading.record.uuid === this.uuid && reading.record.phase !== "deleting")
      return reading.record;
    this.noticeDeletion();
    throw new StateError({ instance: this.name, verb, state: "deleted", expected: [] });
  }

  /** Whether it was deleted, as far as this process knows. */
  get isGone(): boolean {
    return this.#gone;
  }

  /** Checks whether another process has deleted the instance, and publishes that. */
  noticeDeletion(): void {
    // A deletion by this process is published when it is done.
    if (this.deleting !== undefined) return;
    const reading = this.engine.records.read(this.name);
    const isOurs = reading.kind !== "record" || reading.record.uuid === this.uuid;
    if (reading.kind === "absent" || !isOurs) this.forget();
  }

  /** Publishes its deletion, once. */
  forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    const { engine, name } = this;
    if (engine.instances.get(name) === this) engine.instances.delete(name);
    engine.events.publish({ type: "deleted", instance: name, at: Date.now() });
  }

  /**
   * Runs `work` while no other call in any process changes the instance. `work` gets the current record, and a signal
   * that disposing the host aborts too.
   */
  async exclusively<T>(
    verb: string,
    options: LockedOptions,
    work: (record: InstanceRecord, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.locked(options, async (_lock, signal) => {
      const record = this.read(verb);
      this.#announce(this.shown(record).state);
      return work(record, signal);
    });
  }

  /** As {@link exclusively}, without the record: for a verb that handles any record. */
  async locked<T>(options: LockedOptions, work: (lock: Lock, signal: AbortSignal) => Promise<T>): Promise<T> {
    const linked = linkSignals(options.signal, this.engine.closing);
    const { signal } = linked;
    const turn = this.#mutex.run(
      async () => {
        const lock = options.lock ?? (await acquireLock(this.engine.layout.instanceLock(this.name), { signal }));
        try {
          return await work(lock, signal);
        } finally {
          // Nothing would remove the lock file of an instance that does not exist.
          if (existsSync(this.engine.layout.instance(this.name))) await lock.release();
          else await lock.retire();
        }
      },
      { signal },
    );
    try {
      return await track(this.engine, turn);
    } finally {
      linked[Symbol.dispose]();
    }
  }

  /**
   * Changes the record and publishes a new state. Only under the lock. @throws {StateError} when the transition is not
   * legal
   */
  async change(record: InstanceRecord, patch: Partial<InstanceRecord>): Promise<InstanceRecord> {
    const changed = { ...record, ...patch };
    assertTransition(this.name, record.state, changed.state);
    await writeRecord(this.engine.layout.record(this.name), changed);
    this.#unreachable = undefined;
    this.#announce(changed.state);
    return changed;
  }

  /**
   * Publishes a state that the instance only passes through, without writing it to disk. Returns the record to make the
   * next change from. Only under the lock.
   */
  publishIntermediate(record: InstanceRecord, state: InstanceState): InstanceRecord {
    assertTransition(this.name, record.state, state);
    this.#announce(state);
    return { ...record, state };
  }

  #announce(state: InstanceState): void {
    if (state === this.#announced) return;
    const previous = this.#announced;
    this.#announced = state;
    this.engine.events.publish({ type: "state", instance: this.name, at: Date.now(), state, previous });
  }

  /** The record as this process shows it: in `error` while this process cannot tell the state of the instance. */
  shown(record: InstanceRecord): InstanceRecord {
    if (this.#unreachable === undefined || record.state === "stopped") return record;
    return { ...record, state: "error", error: this.#unreachable };
  }

  /** Notes that this process cannot tell the state of the instance, until a verb finds it out. */
  markUnreachable(failure: unknown): void {
    this.#unreachable = failure instanceof Error ? failure.message : String(failure);
    this.#announce("error");
  }

  /**
   * The current run; adopts it when another process began it. `undefined` when the instance does not run; the record
   * then says so. Only under the lock.
   */
  async currentRun(record: InstanceRecord, signal: AbortSignal): Promise<Run | undefined> {
    if (record.state === "stopped") return undefined;
    const { run } = this;
    if (run === undefined || run.id !== record.run) return adoptRun(this, record, signal);
    if (run.end !== undefined) {
      await recordExit(this, run);
      return undefined;
    }
    // The process that asked for the end has died, or a process that could not reach the run recorded `error`.
    if (record.state === "error" || (record.state === "stopping" && !(await isStopUnderWay(this))))
      await this.change(record, { state: await runningState(this, record, run.running, signal), error: undefined });
    return run;
  }

  /** Attaches this process to the run: it records the end when it comes. */
  hold(run: Run): void {
    this.run = run;
    this.#awaitEnd(run).catch(run.fail);
  }

  async #awaitEnd(run: Run): Promise<void> {
    try {
      run.end = { status: await run.running.exited };
    } catch (error) {
      throw await this.locked({}, () => abandonRun(this, run, error));
    }
    // Else a verb that held the lock has recorded the end, or has found a later run.
    if (this.run === run) await this.locked({}, () => recordExit(this, run));
    else run.settle();
  }

  /** Its driver. @throws {HostError} when this host was opened without it */
  get driver(): OpenDriver {
    const open = this.engine.drivers.get(this.driverName);
    if (open !== undefined) return open;
    throw new HostError(`use instance "${this.name}"`, [
      {
        need: `driver:${this.driverName}`,
        reason: "the host was opened without it",
        fix: `pass it to openHost(), as in { drivers: [${this.driverName}()] }`,
      },
    ]);
  }

  /** Whether its driver has the capability at all. */
  hasCapability(capability: Capability): boolean {
    const driver = this.engine.drivers.get(this.driverName)?.driver;
    return (driver?.capabilities as ReadonlySet<Capability> | undefined)?.has(capability) === true;
  }

  /** @throws {UnsupportedError} when its driver, or the run as it is now, lacks the capability. @throws {HostError} */
  requireCapability(capability: Capability, run?: Run): void {
    const { driver } = this.driver;
    const reason = this.hasCapability(capability) ? run?.lacks(capability) : lacking(driver.name, capability);
    if (reason !== undefined) throw new UnsupportedError({ capability, reason });
  }

  /**
   * The record and the run for a verb on a running instance, in a state in which `verb` is legal.
   *
   * @throws {UnsupportedError} when the driver lacks `capability`, or the instance lacks it now. @throws {StateError}
   */
  async use(verb: string, options: UseOptions): Promise<{ readonly record: InstanceRecord; readonly run: Run }> {
    options.signal?.throwIfAborted();
    const { capability, expected = ["running"] } = options;
    const record = this.read(verb);
    if (capability !== undefined) this.requireCapability(capability);
    const { run: held } = this;
    const usable = held?.id === record.run && held?.end === undefined && expected.includes(record.state);
    const run = usable ? held : await this.#runUnderLock(verb, expected, options);
    if (run === undefined) throw await stoppedError(this, { verb, expected });
    if (capability !== undefined) this.requireCapability(capability, run);
    return { record, run };
  }

  #runUnderLock(verb: string, expected: readonly InstanceState[], options: Abortable): Promise<Run | undefined> {
    const looking = this.exclusively(verb, options, async (record, signal) => {
      const run = await this.currentRun(record, signal);
      if (run === undefined) return undefined;
      const { state } = this.read(verb);
      if (!expected.includes(state)) throw new StateError({ instance: this.name, verb, state, expected });
      return run;
    });
    return abortable(looking, options.signal);
  }
}

function lacking(driver: string, capability: Capability): string {
  return `the driver "${driver}" lacks it${capability === "reboot" ? ": use restart()" : ""}`;
}
