import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { linkSignals } from "../driver/deadline.ts";
import { NameSchema } from "../model/name.ts";
import type { Engine } from "./engine.ts";
import type { Layout } from "./layout.ts";
import { forEachLimited } from "./limited.ts";
import { tryLock } from "./lock.ts";
import { type LockedOptions, ManagedInstance } from "./managed-instance.ts";
import { type InstanceRecord, type RecordReading, unusable } from "./record.ts";
import { removeAbandonedFolder, removeHalfWritten } from "./remove-folder.ts";
import { removeTraces } from "./verbs/delete.ts";
import { instanceNames } from "./verbs/list.ts";
import { noteLifetime } from "./watch-instances.ts";

/** How many instances are recovered at the same time. */
const AT_ONCE = 32;

/** An instance that could not be recovered; `doctor()` reports it. */
export interface RecoveryIssue {
  readonly instance: string;
  readonly reason: string;
}

/**
 * Makes the records of the root match the machine, however its last users ended: undoes creates and finishes deletes
 * that were cut short, and adopts what runs. Leaves instances alone that another process is working on. A fault of one
 * instance does not keep the host from opening.
 */
export async function recover(engine: Engine, signal: AbortSignal | undefined): Promise<readonly RecoveryIssue[]> {
  const linked = linkSignals(signal, engine.closing);
  const issues: RecoveryIssue[] = [];
  try {
    await forEachLimited(await namesWithTraces(engine.layout), AT_ONCE, async (name) => {
      linked.signal.throwIfAborted();
      try {
        const reason = await recoverOne(engine, name, linked.signal);
        if (reason !== undefined) issues.push({ instance: name, reason });
      } catch (error) {
        linked.signal.throwIfAborted();
        issues.push({ instance: name, reason: error instanceof Error ? error.message : String(error) });
      }
    });
  } finally {
    linked[Symbol.dispose]();
  }
  return issues;
}

/**
 * The names that have a folder, and those that have only a lock file: a create takes the lock first, and a delete
 * releases it last.
 */
async function namesWithTraces(layout: Layout): Promise<readonly string[]> {
  const prefix = basename(layout.instanceLock(""));
  const locks = (await readdir(layout.locks)).filter((file) => file.startsWith(prefix));
  const locked = locks.map((file) => file.slice(prefix.length)).filter((name) => NameSchema.safeParse(name).success);
  return [...new Set([...(await instanceNames(layout)), ...locked])];
}

/** Returns the issue to report, if there is one. */
async function recoverOne(engine: Engine, name: string, signal: AbortSignal): Promise<string | undefined> {
  const path = engine.layout.record(name);
  const reading = engine.records.read(name);
  if (reading.kind === "newer" || reading.kind === "garbage") return unusable(name, path, reading).message;
  if (reading.kind === "record" && reading.record.phase === "ready") {
    await recoverRun(engine, reading.record, signal);
    noteLifetime(engine, name);
    return undefined;
  }
  return clearHalfMade(engine, name);
}

/**
 * Undoes a create and finishes a delete that was cut short. Returns the issue to report, if there is one. Does nothing
 * while another call has the instance's lock.
 */
export async function clearHalfMade(engine: Engine, name: string): Promise<string | undefined> {
  await using lock = await tryLock(engine.layout.instanceLock(name));
  // Another call is creating or deleting it right now.
  if (lock === undefined) return undefined;
  const now = engine.records.read(name);
  if (now.kind === "record" && now.record.phase === "ready") return undefined;
  const issue = await clearRemains(engine, name, now);
  if (issue === undefined) await lock.retire();
  return issue;
}

async function recoverRun(engine: Engine, record: InstanceRecord, signal: AbortSignal): Promise<void> {
  const instance = new ManagedInstance(engine, record);
  engine.instances.set(instance.name, instance);
  await using lock = await tryLock(engine.layout.instanceLock(instance.name));
  if (lock !== undefined) await removeHalfWritten(engine.layout.instance(instance.name));
  if (record.state === "stopped" || !engine.drivers.has(instance.driverName)) return;
  const look = (options: LockedOptions) =>
    instance.exclusively("recover", options, (current, linked) => instance.currentRun(current, linked));
  if (lock !== undefined) await look({ signal, lock });
  // Another process is working on it, for an unknown time: the host opens meanwhile.
  else look({}).catch(() => undefined);
}

async function clearRemains(engine: Engine, name: string, reading: RecordReading): Promise<string | undefined> {
  const path = engine.layout.record(name);
  switch (reading.kind) {
    case "newer":
    case "garbage":
      return unusable(name, path, reading).message;
    case "absent":
      return (await removeAbandonedFolder(engine.layout.instance(name)))
        ? undefined
        : `its folder ${engine.layout.instance(name)} has no record: check its content, or remove it`;
    case "record": {
      const driver = engine.drivers.get(reading.record.config.driver);
      if (driver === undefined)
        return `its ${reading.record.phase} was cut short; open the host with the driver "${reading.record.config.driver}" to clear it`;
      await removeTraces(engine, driver, reading.record);
      return undefined;
    }
    default:
      return reading satisfies never;
  }
}
