import { isInstanceError } from "../../errors/all.ts";
import type { Engine } from "../instance/engine.ts";
import type { InstanceRecord } from "../record/record.ts";
import { clearHalfMade } from "../remains/clear-half-made.ts";
import { remove } from "./delete.ts";
import { findAgain } from "./find.ts";
import { stop } from "./stop.ts";

/** Milliseconds that an expired instance has for an orderly stop. */
const GRACE = 10_000;

/** Whether the lifetime of the instance has ended. */
export function hasExpired({ expiresAt }: InstanceRecord): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now();
}

/**
 * Ends the instance with that key if it has expired: deletes it if it is ephemeral, else stops it. Every process that
 * has the host open gets here at about the same time; the lock lets one work at a time, and the later ones find nothing
 * to do.
 */
export async function endExpired(engine: Engine, key: string): Promise<void> {
  const reading = engine.records.read(key);
  if (reading.kind !== "record" || reading.record.phase === "creating") return;
  const { record } = reading;
  if (!hasExpired(record)) return engine.lifetimes.note(key, record.expiresAt);
  // A deletion that failed, or whose process died.
  if (record.phase === "deleting") return void (await clearHalfMade(engine, key));
  try {
    const instance = findAgain(engine, record);
    // Another process was faster.
    if (instance === undefined) return;
    if (record.owner !== undefined) await remove(instance);
    else if (record.state !== "stopped") await stop(instance, { mode: "ask-then-kill", timeout: GRACE });
  } catch (error) {
    if (isInstanceError(error, "ERR_INSTANCE_STATE") && error.state === "deleted") return;
    throw error;
  }
}
