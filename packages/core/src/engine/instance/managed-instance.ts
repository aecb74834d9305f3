import { HostError } from "../../errors/all.ts";
import type { StoredEvent } from "../journal/entry.ts";
import { keyOf } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import { HeldRun } from "./held-run.ts";
import { InstanceLock } from "./instance-lock.ts";
import { RecordAccess } from "./instance-record.ts";
import type { OpenDriver, Shared } from "./shared.ts";
import { StopMarks } from "./stop-mark.ts";

/**
 * One instance as this process knows it: its record, its lock, and the run that this process is attached to. Every verb
 * has a file of its own that works on these.
 */
export class ManagedInstance {
  readonly engine: Shared;
  /** The name of its folder and of its lock: see `names.ts`. */
  readonly key: string;
  /** Distinguishes it from a later instance of the same name. */
  readonly uuid: string;
  readonly driverName: string;
  readonly record: RecordAccess;
  readonly lock: InstanceLock;
  readonly stops: StopMarks;
  readonly held: HeldRun;

  /** `forgotten` is called once it is deleted. */
  constructor(engine: Shared, record: InstanceRecord, forgotten: () => void) {
    this.engine = engine;
    this.key = keyOf(record);
    this.uuid = record.uuid;
    this.driverName = record.config.driver;
    this.record = new RecordAccess(engine, record, forgotten);
    this.stops = new StopMarks(engine.layout.stops(this.key));
    this.lock = new InstanceLock(engine, this.key, this.record, this.stops);
    this.held = new HeldRun({
      record: this.record,
      lock: this.lock,
      stops: this.stops,
      folder: engine.layout.run(this.key),
    });
  }

  /** What this process tells of an event about it: see {@link RecordAccess.hear}. */
  hear(event: StoredEvent): StoredEvent | undefined {
    return this.record.hear(event);
  }

  /** Its name, as far as this process knows. */
  get name(): string {
    return this.record.name;
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
}
