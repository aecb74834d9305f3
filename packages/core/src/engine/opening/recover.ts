import { readdir } from "node:fs/promises";
import { basename } from "node:path";
import { setImmediate as nextTask } from "node:timers/promises";
import { forEachLimited } from "../../flow/limited.ts";
import { NameSchema } from "../../model/name.ts";
import { tryLock } from "../../system/lock.ts";
import type { Engine } from "../instance/engine.ts";
import { track } from "../instance/shared.ts";
import { instanceKeys } from "../record/all-records.ts";
import { danglingNames, labelOf } from "../record/names.ts";
import { unusable } from "../record/record.ts";
import { settleOperations, unsettledKeys } from "../record/settle.ts";
import { clearHalfMade } from "../remains/clear-half-made.ts";
import type { Layout } from "../root/layout.ts";
import { hasHalfWritten, removeHalfWritten } from "../root/remove-folder.ts";
import { restoreNetworks } from "./restore-networks.ts";
import { noteLifetime } from "./watch-instances.ts";

/** How many instances are recovered at the same time. */
const AT_ONCE = 32;

/** An instance that could not be recovered; `doctor()` reports it. */
export interface RecoveryIssue {
  readonly instance: string;
  readonly reason: string;
}

/** The clearing of what crashes left of the root. */
export interface Recovery {
  /** What could not be cleared, or is still being cleared. */
  issues(): readonly RecoveryIssue[];
  /** Resolves when all was tried. Never rejects. */
  readonly done: Promise<void>;
}

/**
 * Clears, in the background, what crashes left of the root: undoes creates and finishes deletes that were cut short,
 * ends what has expired, and repairs networks. Leaves instances alone that another call works on, here or in another
 * process, and adopts none: the next call that needs the run of an instance does.
 */
export function recover(engine: Engine): Recovery {
  const reasons = new Map<string, string>();
  const clearing = clearAll(engine, reasons).catch((error: unknown) => {
    if (!engine.closing.aborted) reasons.set("*", reasonOf(error));
  });
  const done = Promise.all([clearing, restoreNetworks(engine, engine.closing)]).then(() => undefined);
  return {
    issues: () => [...reasons].map(([instance, reason]) => ({ instance, reason })),
    done: track(engine, done),
  };
}

/** Notes in `reasons`, by the name of the instance, what could not be cleared. */
async function clearAll(engine: Engine, reasons: Map<string, string>): Promise<void> {
  const { closing } = engine;
  await forEachLimited(await namesWithTraces(engine.layout), AT_ONCE, async (name) => {
    // Each in a task of its own: the calls of the process that opened the host come first.
    await nextTask();
    if (closing.aborted) return;
    try {
      reasons.set(name, "what a crash left of it is still being cleared: its driver has not answered yet");
      const reason = await recoverOne(engine, name);
      if (reason === undefined) reasons.delete(name);
      else reasons.set(name, reason);
    } catch (error) {
      reasons.set(name, reasonOf(error));
    }
  });
  // Together: networks that do not answer must not hide one rename behind another.
  await forEachLimited(unsettledKeys(engine), AT_ONCE, async (name) => {
    if (!closing.aborted) await settle(engine, name);
  });
}

/** Ends what a dead process had begun, or done but not told. */
async function settle(engine: Engine, name: string): Promise<void> {
  await using lock = await tryLock(engine.layout.instanceLock(name));
  // Another process is working on it right now.
  if (lock === undefined) return;
  await settleOperations(engine, name, { signal: engine.closing });
  if (engine.records.read(name).kind === "absent") await lock.retire();
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The keys that have a folder, and those that have only a lock file or a name: a create takes the lock first, and a
 * delete releases it last.
 */
async function namesWithTraces(layout: Layout): Promise<readonly string[]> {
  const prefix = basename(layout.instanceLock(""));
  const locks = (await readdir(layout.locks)).filter((file) => file.startsWith(prefix));
  const locked = locks.map((file) => file.slice(prefix.length)).filter((key) => NameSchema.safeParse(key).success);
  const keys = await instanceKeys(layout);
  const linked = (await danglingNames(layout, keys)).map(([, key]) => key);
  return [...new Set([...keys, ...locked, ...linked])];
}

/** Returns the issue to report, if there is one. */
async function recoverOne(engine: Engine, name: string): Promise<string | undefined> {
  const path = engine.layout.record(name);
  const reading = engine.records.read(name);
  if (reading.kind === "newer" || reading.kind === "garbage")
    return unusable(await labelOf(engine, name), path, reading).message;
  if (reading.kind !== "record" || reading.record.phase !== "ready") return clearHalfMade(engine, name);
  await clearHalfWritten(engine, name);
  noteLifetime(engine, name);
  return undefined;
}

/** Removes the partial record of a change that was cut short, unless a call is changing the instance right now. */
async function clearHalfWritten({ layout }: Engine, name: string): Promise<void> {
  const folder = layout.instance(name);
  if (!(await hasHalfWritten(folder))) return;
  await using lock = await tryLock(layout.instanceLock(name));
  if (lock !== undefined) await removeHalfWritten(folder);
}
