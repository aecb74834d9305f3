import { lstatSync } from "node:fs";
import { AlreadyExistsError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { acquireLock } from "../../system/lock.ts";
import type { Shared } from "../instance/shared.ts";
import { link, targetOf, unlink } from "../record/names.ts";
import { isGone } from "../record/owner-process.ts";
import type { RecordReading } from "../record/record.ts";
import { settleDone, settleOperations } from "../record/settle.ts";
import { clearUnderLock } from "./clear-half-made.ts";

/**
 * Gives the name to the instance with that key, if it is free or has it already. Returns whether it has it now. Only
 * under the lock of the instance.
 */
export function tryClaimName({ layout, records }: Shared, name: string, key: string): boolean {
  // An instance of an early release lies in the folder of its name, without a link.
  const early = key === name ? undefined : records.read(name);
  const free = early === undefined || early.kind === "absent" || isOther(early, name);
  return free && (link(layout, name, key) || targetOf(layout, name) === key);
}

/**
 * Returns once {@link tryClaimName} may find the name free: waits for a call that is creating, renaming or deleting an
 * instance with the name, and clears what a dead one left. Waits for the lock of another instance, so a caller that has
 * one that others can wait for must give it up first.
 *
 * @throws {AlreadyExistsError} when another instance has the name.
 */
export async function settleName(shared: Shared, name: string, key: string, options: Abortable): Promise<void> {
  options.signal?.throwIfAborted();
  const early = shared.records.read(name);
  const holder = early.kind === "absent" || isOther(early, name) ? targetOf(shared.layout, name) : name;
  if (holder === undefined) assertLink(shared, name);
  else if (holder !== key) await clearHolder(shared, name, holder, options);
}

/** @throws {AlreadyExistsError} when something else than a link of ours has the place of the link. */
function assertLink({ layout }: Shared, name: string): void {
  const path = layout.name(name);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined || targetOf(layout, name) !== undefined) return;
  throw new AlreadyExistsError("instance", name, { hint: `${path} is not a link to an instance: remove it` });
}

/** Whether the record is certainly of an instance with another name. */
function isOther(reading: RecordReading, name: string): boolean {
  const record = reading.kind === "record" || reading.kind === "newer" ? reading.record : undefined;
  return record !== undefined && record.config.name !== name;
}

/** Returns once the holder has the name no longer. @throws {AlreadyExistsError} when it keeps the name. */
async function clearHolder(shared: Shared, name: string, holder: string, options: Abortable): Promise<void> {
  const { layout, records } = shared;
  const now = records.read(holder);
  if (hasName(now, name)) throw await taken(name, now);
  const lock = await acquireLock(layout.instanceLock(holder), options);
  try {
    await settleOperations(shared, holder, options);
    const reading = records.read(holder);
    if (hasName(reading, name)) throw await taken(name, reading);
    // A rename that was cut short.
    if (isOther(reading, name)) return unlink(layout, name, holder);
    if ((await clearUnderLock(shared, holder, reading)) !== undefined) throw await taken(name, reading);
    settleDone(shared, holder);
    unlink(layout, name, holder);
  } finally {
    // Nothing would remove the lock file of an instance that does not exist.
    if (records.read(holder).kind === "absent") await lock.retire();
    else await lock.release();
  }
}

/** Whether the record is of an instance that has the name and keeps it. */
function hasName(reading: RecordReading, name: string): boolean {
  if (reading.kind === "garbage") return true;
  if (reading.kind === "newer") return !isOther(reading, name);
  return reading.kind === "record" && reading.record.phase === "ready" && reading.record.config.name === name;
}

async function taken(name: string, reading: RecordReading): Promise<AlreadyExistsError> {
  const owner = reading.kind === "record" ? reading.record.owner : undefined;
  const hint = "a dead process left it: host.sweep() deletes such instances";
  return new AlreadyExistsError("instance", name, owner !== undefined && (await isGone(owner)) ? { hint } : {});
}
