import type { Abortable } from "../../contract/abortable.ts";
import { isInstanceError, NotFoundError } from "../../contract/errors.ts";
import type { InstanceContext } from "../../driver/backend.ts";
import { joinFailures } from "../../driver/cleanup.ts";
import { abortable } from "../../driver/deadline.ts";
import { contextWith, instanceContext } from "../context.ts";
import type { Engine, OpenDriver } from "../engine.ts";
import { recordExit } from "../exit.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { type InstanceRecord, unusable } from "../record.ts";
import { removeInstanceFolder } from "../remove-folder.ts";
import type { Run } from "../run.ts";
import { killWithoutLock } from "../stop-mark.ts";

/** Deletes an instance and everything that belongs to it. Goes on when the caller stops waiting. */
export async function remove(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  options.signal?.throwIfAborted();
  if (instance.deleting === undefined) {
    const underway = deleteInBackground(instance);
    instance.deleting = underway;
    const forget = () => {
      instance.deleting = undefined;
    };
    void underway.then(forget, forget);
  }
  return abortable(instance.deleting, options.signal);
}

async function deleteInBackground(instance: ManagedInstance): Promise<void> {
  const unmark = ownRecord(instance) === undefined ? undefined : await killWithoutLock(instance);
  try {
    await deleteUnderLock(instance);
  } finally {
    await unmark?.();
  }
}

async function deleteUnderLock(instance: ManagedInstance): Promise<void> {
  const { engine } = instance;
  await instance.locked({}, async (lock, signal) => {
    const record = ownRecord(instance);
    if (record === undefined) return instance.forget();
    const driver = instance.driver;
    const failure = await endWhatRuns(instance, record, signal);
    try {
      await removeTraces(engine, driver, await instance.change(currentRecord(instance, record), { phase: "deleting" }));
    } catch (error) {
      throw failure === undefined ? error : joinFailures([failure, error]);
    }
    await lock.retire();
    instance.forget();
  });
}

/** The record as it is on disk now; `undefined` once the instance is gone. @throws {HostError} when it is unusable */
function ownRecord({ engine, name, uuid }: ManagedInstance): InstanceRecord | undefined {
  const reading = engine.records.read(name);
  if (reading.kind === "newer" || reading.kind === "garbage") throw unusable(name, engine.layout.record(name), reading);
  return reading.kind === "record" && reading.record.uuid === uuid ? reading.record : undefined;
}

/** Returns why the driver could not tell whether anything runs: the instance is still deleted if its removal works. */
async function endWhatRuns(instance: ManagedInstance, record: InstanceRecord, signal: AbortSignal): Promise<unknown> {
  let run: Run | undefined;
  try {
    run = await instance.currentRun(record, signal);
  } catch (error) {
    signal.throwIfAborted();
    return error;
  }
  if (run === undefined) return undefined;
  await instance.change(currentRecord(instance, record), { state: "stopping", stopRequested: true });
  await run.running.kill();
  run.end = { status: await abortable(run.running.exited, signal) };
  await recordExit(instance, run);
  return undefined;
}

/** The record as it is now, even when the instance is half deleted. */
function currentRecord({ engine, name }: ManagedInstance, before: InstanceRecord): InstanceRecord {
  const reading = engine.records.read(name);
  return reading.kind === "record" ? reading.record : before;
}

/**
 * Removes everything that create made of an instance that does not run, even if that create was not finished. The
 * record goes last, so that an interrupted removal can be repeated. Only under the instance's lock.
 */
export async function removeTraces(engine: Engine, driver: OpenDriver, record: InstanceRecord): Promise<void> {
  const context = await contextToRemove(engine, record);
  await driver.backend.remove(context, {});
  engine.ids.release(context.uuid);
  await engine.networks.release({ name: context.name, uuid: context.uuid });
  await removeInstanceFolder(context.folder);
}

/** As {@link instanceContext}, but without layers when the image is lost: the instance must be deletable then too. */
async function contextToRemove(engine: Engine, record: InstanceRecord): Promise<InstanceContext> {
  try {
    return await instanceContext(engine, record, {});
  } catch (error) {
    if (!isInstanceError(error, "ERR_IMAGE_NOT_FOUND")) throw error;
    const merged = () => Promise.reject(new NotFoundError("image", record.image.fingerprint));
    return contextWith(engine, record, { kind: "layers", layers: [], merged }, []);
  }
}
