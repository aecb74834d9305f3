import type { Abortable } from "../../flow/abortable.ts";
import { joinFailures } from "../../flow/cleanup.ts";
import { abortable } from "../../flow/deadline.ts";
import { endByForce } from "../adopt/adopt.ts";
import { currentRun } from "../adopt/current-run.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { type InstanceRecord, unusable } from "../record/record.ts";
import { beginIfPossible } from "../record/settle.ts";
import { removeTraces } from "../remains/remove-traces.ts";
import type { Run } from "../run/run.ts";

/** Deletes an instance and everything that belongs to it. Goes on when the caller stops waiting. */
export async function remove(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  options.signal?.throwIfAborted();
  if (instance.record.deleting === undefined) {
    const underway = deleteInBackground(instance);
    instance.record.deleting = underway;
    const forget = () => {
      instance.record.deleting = undefined;
    };
    void underway.then(forget, forget);
  }
  return abortable(instance.record.deleting, options.signal);
}

async function deleteInBackground(instance: ManagedInstance): Promise<void> {
  const unmark = ownRecord(instance) === undefined ? undefined : await instance.held.killWithoutLock();
  try {
    await deleteUnderLock(instance);
  } finally {
    await unmark?.();
  }
}

async function deleteUnderLock(instance: ManagedInstance): Promise<void> {
  const { engine } = instance;
  await instance.lock.locked({ overtakes: true }, async (lock, turn) => {
    const { overtaken } = turn;
    const record = ownRecord(instance);
    if (record === undefined) return instance.record.forget();
    const driver = instance.driver;
    const failure = await endWhatRuns(instance, record, turn);
    overtaken.throwIfAborted();
    // `deleted` ends it.
    beginIfPossible(engine.events, { kind: "delete", record });
    try {
      // In order before what is removed: a crash of the machine leaves the whole instance or one that is half deleted.
      const deleting = { phase: "deleting" } as const;
      const marked = await instance.record.change(currentRecord(instance, record), deleting, {
        overtaken,
        orderOnly: true,
      });
      await removeTraces(engine, driver, marked);
    } catch (error) {
      throw failure === undefined ? error : joinFailures([failure, error]);
    }
    await lock.retire();
    instance.record.forget();
  });
}

/** The record as it is on disk now; `undefined` once the instance is gone. @throws {HostError} when it is unusable */
function ownRecord({ engine, name, key, uuid }: ManagedInstance): InstanceRecord | undefined {
  const reading = engine.records.read(key);
  if (reading.kind === "newer" || reading.kind === "garbage") throw unusable(name, engine.layout.record(key), reading);
  return reading.kind === "record" && reading.record.uuid === uuid ? reading.record : undefined;
}

/** Returns why the driver could not tell whether anything runs: the instance is still deleted if its removal works. */
async function endWhatRuns(instance: ManagedInstance, record: InstanceRecord, turn: Turn): Promise<unknown> {
  const { signal, overtaken } = turn;
  let run: Run | undefined;
  try {
    run = await currentRun(instance, record, turn);
  } catch (error) {
    signal.throwIfAborted();
    return error;
  }
  if (run === undefined) return undefined;
  const stopping = { state: "stopping", stopRequested: true } as const;
  await instance.record.change(currentRecord(instance, record), stopping, { overtaken });
  run.end = { status: await endByForce(instance, run.running, signal), at: Date.now() };
  await instance.held.recordEnd(run, overtaken);
  return undefined;
}

/** The record as it is now, even when the instance is half deleted. */
function currentRecord({ engine, key }: ManagedInstance, before: InstanceRecord): InstanceRecord {
  const reading = engine.records.read(key);
  return reading.kind === "record" ? reading.record : before;
}
