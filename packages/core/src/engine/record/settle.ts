import { existsSync } from "node:fs";
import { z } from "zod";
import type { MadeChange } from "../../contract/events.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { withDeadline } from "../../flow/deadline.ts";
import { NameSchema } from "../../model/name.ts";
import type { NetworkManager } from "../../network/network-manager.ts";
import type { HostEvents } from "../events/host-events.ts";
import { MadeChangeSchema, type Operation, type StoredEvent } from "../journal/entry.ts";
import type { BegunOperation } from "../journal/journal.ts";
import type { Layout } from "../root/layout.ts";
import { keyOf, link, unlink } from "./names.ts";
import type { InstanceRecord } from "./record.ts";
import type { Records } from "./records.ts";

/**
 * An operation that the engine itself writes down. The record says what it has done: its phase of a create or a delete,
 * its name of a rename, its generation of an update.
 */
type OwnOperation =
  | { readonly kind: "create" | "delete"; readonly record: InstanceRecord }
  | { readonly kind: "rename"; readonly record: InstanceRecord; readonly to: string }
  | {
      readonly kind: "update";
      readonly record: InstanceRecord;
      readonly generation: number;
      readonly changes: readonly MadeChange[];
    };

/** What {@link settleOperations} uses of a host. */
interface Parts {
  readonly events: HostEvents;
  readonly layout: Layout;
  readonly networks: NetworkManager;
  readonly records: Records;
  readonly undoings: Undoings;
}

/** The renames whose undoing this process has begun but not done, by the key of the instance. */
export type Undoings = Map<string, Undoing>;

interface Undoing {
  /** Why it is not done, for `doctor()`. */
  readonly reason: string;
  /** When it failed, by `performance.now()`. */
  readonly failedAt?: number;
}

/** Milliseconds that the networks of an instance have to undo a rename: the call that does it has other work to do. */
const UNDO_TIMEOUT = 5000;
/** Milliseconds after a failure in which no call of this process tries it again: each one would wait as long. */
const UNDO_PAUSE = 60_000;

/** Absent in operations of an early release. */
const DataSchema = z
  .looseObject({
    key: NameSchema.optional(),
    to: NameSchema.optional(),
    generation: z.number().optional(),
    changes: z.array(MadeChangeSchema).optional(),
  })
  .catch({});

/** Writes down what is about to be done. @throws {HostError} when the journal cannot be written. */
export function beginOwn({ journal }: HostEvents, operation: OwnOperation): BegunOperation {
  const { kind, record } = operation;
  return journal.begin({
    kind,
    instance: record.config.name,
    uuid: record.uuid,
    data: { key: keyOf(record), ...dataOf(operation) },
    // The phase of the record outlives a boot.
    durable: kind === "rename",
  });
}

function dataOf(operation: OwnOperation): Readonly<Record<string, Operation["data"] & {}>> {
  if (operation.kind === "rename") return { to: operation.to };
  if (operation.kind !== "update") return {};
  const changes = operation.changes.map(({ path, effect }) => ({ path, effect }));
  return { generation: operation.generation, changes };
}

/**
 * Begins an operation that also a journal which cannot be written must not prevent: the record is enough to undo or
 * finish it, and the journal only makes sure that it is told.
 */
export function beginIfPossible(
  events: HostEvents,
  operation: OwnOperation & { readonly kind: "create" | "delete" | "update" },
): BegunOperation | undefined {
  try {
    return beginOwn(events, operation);
  } catch {
    return undefined;
  }
}

/** The keys of instances with such an operation that is open: under way, or cut short. */
export function unsettledKeys(parts: Pick<Parts, "events" | "layout">): readonly string[] {
  return [...new Set(ownOperations(parts).map(({ key }) => key))];
}

interface Open {
  readonly operation: Operation;
  readonly key: string;
  readonly to: string;
  readonly update?: { readonly generation: number; readonly changes: readonly MadeChange[] } | undefined;
}

function ownOperations({ events, layout }: Pick<Parts, "events" | "layout">): readonly Open[] {
  return events.journal.openOperations().flatMap((operation) => {
    if (!["create", "delete", "rename", "update"].includes(operation.kind)) return [];
    const { instance, uuid } = operation;
    const data = DataSchema.parse(operation.data ?? {});
    const { key = existsSync(layout.record(instance)) ? instance : uuid, to = instance, generation, changes } = data;
    const update = generation === undefined || changes === undefined ? undefined : { generation, changes };
    return [{ operation, key, to, update }];
  });
}

/** The renames of one instance that its record does not have, and the record. */
export interface UnfinishedRenames {
  readonly record: InstanceRecord;
  readonly renames: readonly Open[];
}

/**
 * Ends the operations of the instance with that key which were cut short, as far as they are done or undone already: a
 * rename is done when the record has the new name. Tells what could not be told any more. Returns the renames that are
 * to be undone. Waits for nothing. Only under the lock of the instance.
 */
export function settleDone(parts: Parts, key: string): UnfinishedRenames | undefined {
  const { events, records } = parts;
  const left = ownOperations(parts).filter((open) => open.key === key);
  if (left.length === 0) return undefined;
  const reading = records.read(key);
  // It may be the record of one of them.
  if (reading.kind === "newer" || reading.kind === "garbage") return undefined;
  const renames: Open[] = [];
  for (const open of left) {
    const { operation } = open;
    const { instance, uuid, kind } = operation;
    const record = reading.kind === "record" && reading.record.uuid === uuid ? reading.record : undefined;
    if (record === undefined) events.publish(kind === "delete" ? [deletedEvent(instance, uuid)] : [], [operation]);
    else if (kind === "rename") renames.push(open);
    else if (record.phase === "ready") events.publish(told(open, record), [operation]);
  }
  return reading.kind === "record" ? finishRenames(parts, reading.record, renames) : undefined;
}

/** What an operation has done to an instance that is ready. */
function told({ operation, update }: Open, record: InstanceRecord): StoredEvent[] {
  if (operation.kind === "create") return [createdEvent(record)];
  const isDone = update !== undefined && (record.generation ?? 1) >= update.generation;
  return isDone ? [updatedEvent(record, update.changes)] : [];
}

/** Tells one rename at most: of several to the same name, all but the last were given up. Returns the others. */
function finishRenames(parts: Parts, record: InstanceRecord, renames: readonly Open[]): UnfinishedRenames | undefined {
  const { uuid, config } = record;
  const done = renames.filter(({ to }) => to === config.name);
  const last = done.at(-1);
  if (last !== undefined && restoreLinks(parts, record, done))
    parts.events.publish([renamedEvent(uuid, last.operation.instance, config.name)], operationsOf(done));
  const others = renames.filter(({ to }) => to !== config.name);
  return others.length === 0 ? undefined : { record, renames: others };
}

/**
 * Undoes the renames that {@link settleDone} has returned. Those that it cannot undo now stay open for a later call,
 * which can do without: only DNS may still have the other name. {@link stuckRenames} names them. Never rejects. Only
 * under the lock of the instance, which the abort of the signal ends.
 */
export async function undoRenames(
  parts: Parts,
  { record, renames }: UnfinishedRenames,
  { signal }: Abortable,
): Promise<void> {
  const { uuid, config } = record;
  const { undoings } = parts;
  const key = keyOf(record);
  const { failedAt = Number.NEGATIVE_INFINITY } = undoings.get(key) ?? {};
  if (performance.now() < failedAt + UNDO_PAUSE) return;
  undoings.set(key, {
    reason: "a rename that was cut short is still being undone: its networks have not answered yet",
  });
  const deadline = { action: `undoing the rename of instance "${config.name}"`, timeout: UNDO_TIMEOUT, signal };
  try {
    await withDeadline(deadline, (within) => parts.networks.rename({ name: config.name, uuid }, { signal: within }));
  } catch (error) {
    const why = signal?.aborted
      ? "the call that undid it was given up"
      : error instanceof Error
        ? error.message
        : error;
    const reason = `a rename that was cut short is not undone, so DNS may have another name of it: ${why}`;
    undoings.set(key, { reason, failedAt: performance.now() });
    return;
  }
  undoings.delete(key);
  if (restoreLinks(parts, record, renames)) parts.events.publish([], operationsOf(renames));
}

/** The instances with a rename that this process cannot undo, or has not undone yet, and the reason. */
export function stuckRenames(
  parts: Pick<Parts, "events" | "layout" | "undoings">,
): readonly { readonly instance: string; readonly reason: string }[] {
  if (parts.undoings.size === 0) return [];
  // Another process may have done it meanwhile.
  return unsettledKeys(parts).flatMap((instance) => {
    const { reason } = parts.undoings.get(instance) ?? {};
    return reason === undefined ? [] : [{ instance, reason }];
  });
}

/** {@link settleDone}, then {@link undoRenames}. */
export async function settleOperations(parts: Parts, key: string, options: Abortable): Promise<void> {
  const unfinished = settleDone(parts, key);
  if (unfinished !== undefined) await undoRenames(parts, unfinished, options);
}

/** Leaves the instance the link of its name, and none of those names. False when a full disk prevents that. */
function restoreLinks({ layout }: Parts, record: InstanceRecord, renames: readonly Open[]): boolean {
  const { name } = record.config;
  const key = keyOf(record);
  try {
    // An instance of an early release lies in the folder of its first name.
    if (name !== key) link(layout, name, key);
    for (const other of namesOf(renames)) if (other !== name) unlink(layout, other, key);
    return true;
  } catch {
    return false;
  }
}

/** The names that links of renames which are open lead from to the instance with that key. */
export function unsettledNames(parts: Pick<Parts, "events" | "layout">, key: string): readonly string[] {
  return namesOf(ownOperations(parts).filter((open) => open.key === key && open.operation.kind === "rename"));
}

function namesOf(renames: readonly Open[]): readonly string[] {
  return renames.flatMap(({ operation, to }) => [operation.instance, to]);
}

function operationsOf(opens: readonly Open[]): readonly Operation[] {
  return opens.map(({ operation }) => operation);
}

/** The event that tells that an instance has been created. */
export function createdEvent({ uuid, config, createdAt }: InstanceRecord): StoredEvent {
  return { type: "created", instance: config.name, uuid, at: createdAt };
}

/** The event that tells that an instance has been deleted. */
export function deletedEvent(instance: string, uuid: string): StoredEvent {
  return { type: "deleted", instance, uuid, at: Date.now() };
}

/** The event that tells that the configuration of an instance has changed. */
export function updatedEvent({ uuid, config }: InstanceRecord, changes: readonly MadeChange[]): StoredEvent {
  return { type: "updated", instance: config.name, uuid, at: Date.now(), changes: [...changes] };
}

/** The event that tells that an instance has another name. */
function renamedEvent(uuid: string, from: string, to: string): StoredEvent {
  return { type: "renamed", instance: to, uuid, at: Date.now(), from, to };
}
