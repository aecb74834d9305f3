import { StateError } from "../../errors/all.ts";
import type { ReplaceOptions } from "../../system/replace-file.ts";
import { type InstanceExit, type InstanceState, TRANSITIONS } from "../../terms/state.ts";
import type { StoredEvent } from "../journal/entry.ts";
import { keyOf } from "../record/names.ts";
import { type InstanceRecord, isDoubtful, nextGeneration, unusable, writeRecord } from "../record/record.ts";
import { assertTransition } from "../record/transition.ts";
import type { Turn } from "./instance-lock.ts";
import type { Shared } from "./shared.ts";

/** The fields of a record once nothing of the last run is left. */
export const STOPPED = { state: "stopped", stopRequested: undefined, applied: undefined, error: undefined } as const;

/** Options of {@link RecordAccess.change}. */
export interface ChangeOptions extends Pick<ReplaceOptions, "orderOnly"> {
  /** After its abort another call writes the record: this one does not, however late the disk answers. */
  readonly overtaken: Turn["overtaken"];
  /** The exit to tell with the state. */
  readonly exit?: InstanceExit | undefined;
}

/** Access to the record of one instance: reads it, changes it, and publishes what this process learns from it. */
export class RecordAccess {
  /** A deletion under way in this process, which publishes it when it is done. */
  deleting: Promise<void> | undefined;
  /** The last name that this process knows. */
  name: string;
  readonly #engine: Shared;
  readonly #forgotten: () => void;
  readonly #key: string;
  readonly #uuid: string;
  /** The state that listeners of this process were told last. */
  #told: InstanceState;
  /** Whether that is what the journal says, and not only what the record said first. */
  #heard = false;
  #toldExit: number | undefined;
  #gone = false;
  /** Why this process cannot tell the state of the instance. Another process may be attached to the run and know it. */
  #unreachable: string | undefined;

  /** `forgotten` is called once the instance is deleted. */
  constructor(engine: Shared, record: InstanceRecord, forgotten: () => void) {
    this.#engine = engine;
    this.#forgotten = forgotten;
    this.name = record.config.name;
    this.#key = keyOf(record);
    this.#uuid = record.uuid;
    this.#told = record.state;
  }

  /** The record as it is on disk now, without the lock. @throws {StateError} `deleted` */
  read(verb: string): InstanceRecord {
    const { records, layout } = this.#engine;
    const reading = records.read(this.#key);
    if (reading.kind === "newer" || reading.kind === "garbage")
      throw unusable(this.name, layout.record(this.#key), reading);
    if (reading.kind === "record" && reading.record.uuid === this.#uuid && reading.record.phase !== "deleting") {
      this.name = reading.record.config.name;
      return reading.record;
    }
    this.noticeDeletion();
    throw new StateError({ instance: this.name, verb, state: "deleted", expected: [] });
  }

  /** The record in any phase; `undefined` once the instance is gone, or while its record cannot be used. */
  readOwn(): InstanceRecord | undefined {
    const reading = this.#engine.records.read(this.#key);
    return reading.kind === "record" && reading.record.uuid === this.#uuid ? reading.record : undefined;
  }

  /** Whether it was deleted, as far as this process knows. */
  get isGone(): boolean {
    return this.#gone;
  }

  /** Checks whether another process has deleted the instance, and tells that. */
  noticeDeletion(): void {
    if (this.deleting !== undefined || this.#gone) return;
    const reading = this.#engine.records.read(this.#key);
    const isOurs = reading.kind !== "record" || reading.record.uuid === this.#uuid;
    if (reading.kind !== "absent" && isOurs) return;
    this.#engine.events.catchUp();
    if (!this.#gone) this.forget();
  }

  /** Notes its deletion, and tells it in this process, once. */
  forget(): void {
    if (this.#gone) return;
    this.#markGone();
    this.#engine.events.publishHere(this.#event({ type: "deleted" }));
  }

  #markGone(): void {
    this.#gone = true;
    this.#forgotten();
  }

  /** See {@link Subject.hear}: any process may have done it, this one too. */
  hear(event: StoredEvent): StoredEvent | undefined {
    switch (event.type) {
      case "created":
      case "updated":
        return event;
      case "state": {
        // No listener has heard of a state that the record had before the journal told it.
        const previous = !this.#heard && event.state === this.#told ? event.previous : this.#told;
        this.#heard = true;
        this.#told = event.state;
        return event.state === previous ? undefined : { ...event, previous };
      }
      case "exit": {
        const isNew = this.#toldExit !== event.exit.at;
        this.#toldExit = event.exit.at;
        return isNew ? event : undefined;
      }
      case "renamed":
        this.name = event.to;
        return event;
      case "deleted":
        if (this.#gone) return undefined;
        this.#markGone();
        return event;
      default:
        return event satisfies never;
    }
  }

  /**
   * Changes the record and tells a new state. Only under the lock. @throws {StateError} when the transition is not
   * legal
   */
  async change(
    record: InstanceRecord,
    patch: Partial<InstanceRecord>,
    { overtaken, exit, orderOnly }: ChangeOptions,
  ): Promise<InstanceRecord> {
    const changed = { ...record, ...patch };
    assertTransition(this.name, record.state, changed.state);
    await this.#write(changed, overtaken, orderOnly);
    this.#unreachable = undefined;
    const events = this.#events(record.state, changed.state, exit);
    if (events.length > 0) this.#engine.events.publish(events);
    // Listeners of this process alone were told `error`.
    if (this.#told !== changed.state) this.#tellHere(changed.state);
    return changed;
  }

  /** Records another name. Does not tell it. Only under the lock. */
  async rename(record: InstanceRecord, to: string, overtaken: AbortSignal): Promise<void> {
    const { config, state, generation = 1, applied = generation } = record;
    const next = nextGeneration(record);
    const renamed = {
      ...record,
      // That of an early release is its first name.
      folder: this.#key,
      config: { ...config, name: to },
      generation: next,
      ...(state === "stopped" ? {} : { applied: isDoubtful(record) ? next + 1 : applied }),
    };
    await this.#write(renamed, overtaken);
    this.name = to;
  }

  /** Throws also when the record was written but its folder took too long: the next call tells what it says. */
  async #write(record: InstanceRecord, overtaken: AbortSignal, orderOnly?: boolean): Promise<void> {
    await writeRecord(this.#engine.layout.record(this.#key), record, { signal: overtaken, orderOnly });
    overtaken.throwIfAborted();
  }

  /**
   * Records that nothing of a run is left, with its exit if there is one, and tells that. A kill does not wait for the
   * lock: where the end came before the kill could record `stopping`, in this process or in another, that is told here.
   * Only under the lock.
   */
  async end(record: InstanceRecord, exit: InstanceExit | undefined, overtaken: AbortSignal): Promise<void> {
    const isTold = exit?.reason !== "requested" || !TRANSITIONS[record.state].includes("stopping");
    const ending = isTold ? record : this.publishIntermediate(record, "stopping");
    await this.change(ending, { ...STOPPED, exit }, { exit, overtaken });
  }

  /**
   * Tells a state that the instance only passes through, without writing it to disk. Returns the record to make the next
   * change from. Only under the lock.
   */
  publishIntermediate(record: InstanceRecord, state: InstanceState): InstanceRecord {
    assertTransition(this.name, record.state, state);
    this.#engine.events.publish(this.#events(record.state, state));
    return { ...record, state };
  }

  /**
   * Tells the state of a record that was read, if it is another than the journal says: whoever wrote the record was
   * killed before it could tell, or could not write the journal. Only under the lock.
   */
  announce(record: InstanceRecord): void {
    const { events } = this.#engine;
    events.catchUp();
    if (!this.#heard) this.#told = events.journal.toldState(this.#uuid) ?? this.#told;
    this.#heard = true;
    const { state } = this.shown(record);
    if (state === this.#told) return;
    if (state !== record.state) this.#tellHere(state);
    else events.publish(this.#events(this.#told, state, state === "stopped" ? record.exit : undefined));
  }

  #events(previous: InstanceState, state: InstanceState, exit?: InstanceExit): StoredEvent[] {
    return [
      ...(previous === state ? [] : [this.#event({ type: "state", state, previous })]),
      ...(exit === undefined ? [] : [this.#event({ type: "exit", exit })]),
    ];
  }

  #tellHere(state: InstanceState): void {
    const previous = this.#told;
    this.#told = state;
    if (previous !== state) this.#engine.events.publishHere(this.#event({ type: "state", state, previous }));
  }

  #event<const E extends object>(
    what: E,
  ): E & { readonly instance: string; readonly uuid: string; readonly at: number } {
    return { ...what, instance: this.name, uuid: this.#uuid, at: Date.now() };
  }

  /** The record as this process shows it: in `error` while this process cannot tell the state of the instance. */
  shown(record: InstanceRecord): InstanceRecord {
    if (this.#unreachable === undefined || record.state === "stopped") return record;
    return { ...record, state: "error", error: this.#unreachable };
  }

  /** Why this process cannot tell the state of the instance; `undefined` if it can, or has not tried. */
  get unreachable(): string | undefined {
    return this.#unreachable;
  }

  /** Notes that this process cannot tell the state of the instance, until a verb finds it out. */
  markUnreachable(failure: unknown): void {
    this.#unreachable = failure instanceof Error ? failure.message : String(failure);
    this.#tellHere("error");
  }
}
