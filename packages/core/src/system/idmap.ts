import { systemError } from "../errors/system-error.ts";
import type { Owner } from "../files/tree-access.ts";
import { endOf, subtract } from "../terms/id-range.ts";
import type { IdKind, Idmap } from "../terms/idmap.ts";

/** What the kernel shows for an id that is not mapped: /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65534;

/** Consecutive ids inside, which are consecutive ids of the host: one line of /proc/PID/uid_map. */
export interface MapLine {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Without a map, each id is the same inside; -1 means "unchanged" to the kernel (chown(2)). */
const SAME: readonly MapLine[] = [{ inside: 0, outside: 0, count: 0xffff_ffff }];

/** The whole map of the uids or of the gids, in the order of the ids inside. No two lines overlap. */
export function mapLines({ base, count, extra = [] }: Idmap, of: IdKind): readonly MapLine[] {
  const named = extra.filter((line) => line.of === of || line.of === "both");
  const holes = named.map((line) => ({ base: line.inside, count: line.count }));
  const own = subtract([{ base: 0, count }], holes).map((part) => {
    return { inside: part.base, outside: base + part.base, count: part.count };
  });
  const lines = named.map(({ inside, outside, count: length }) => ({ inside, outside, count: length }));
  return [...own, ...lines].toSorted((a, b) => a.inside - b.inside);
}

/** The first id inside after those of all lines: no user and no group has it. */
export function firstBeyond(idmap: Idmap): number {
  return Math.max(...(["uid", "gid"] as const).flatMap((of) => mapLines(idmap, of)).map(insideEnd));
}

/** Whether an instance has an id inside. */
export function isInside(idmap: Idmap | undefined, of: IdKind, id: number): boolean {
  return Number.isInteger(id) && lineInside(idmap, of, id) !== undefined;
}

/** The ids inside in words: `0 to 65535`. */
export function idsInside(idmap: Idmap | undefined, of: IdKind): string {
  const parts: { first: number; end: number }[] = [];
  for (const line of linesOf(idmap, of)) {
    const last = parts.at(-1);
    if (last?.end === line.inside) last.end = insideEnd(line);
    else parts.push({ first: line.inside, end: insideEnd(line) });
  }
  return parts.map(({ first, end }) => `${first} to ${end - 1}`).join(", ");
}

/**
 * The id on the host of an id inside; without a map it is the same.
 *
 * @throws an error with `code` `EINVAL` for an id that the map does not contain. Archives can hold negative ids, which
 * would become ids of the host.
 */
export function idOutside(idmap: Idmap | undefined, of: IdKind, id: number): number {
  const line = lineInside(idmap, of, id);
  if (!Number.isInteger(id) || line === undefined)
    throw systemError("EINVAL", `id ${id}`, `the id ${id} is none of the instance, which has ${idsInside(idmap, of)}`);
  return id - line.inside + line.outside;
}

/** The id inside of an id on the host, as the kernel shows it there: 65534 when the map does not contain it. */
export function idInside(idmap: Idmap | undefined, of: IdKind, id: number): number {
  const line = lineOutside(idmap, of, id);
  return line === undefined ? OVERFLOW : id - line.outside + line.inside;
}

/** Whether the map contains an id of the host. */
export function isMapped(idmap: Idmap | undefined, of: IdKind, id: number): boolean {
  return lineOutside(idmap, of, id) !== undefined;
}

/** The owner on the host of what belongs to an owner inside. @throws an error with `code` `EINVAL` for one that the map does not contain. */
export function ownerOutside(idmap: Idmap | undefined, { uid, gid }: Owner): Owner {
  return { uid: idOutside(idmap, "uid", uid), gid: idOutside(idmap, "gid", gid) };
}

function linesOf(idmap: Idmap | undefined, of: IdKind): readonly MapLine[] {
  return idmap === undefined ? SAME : mapLines(idmap, of);
}

function lineInside(idmap: Idmap | undefined, of: IdKind, id: number): MapLine | undefined {
  return linesOf(idmap, of).find((line) => id >= line.inside && id < insideEnd(line));
}

function lineOutside(idmap: Idmap | undefined, of: IdKind, id: number): MapLine | undefined {
  return linesOf(idmap, of).find(({ outside, count }) => id >= outside && id < endOf({ base: outside, count }));
}

function insideEnd({ inside, count }: MapLine): number {
  return inside + count;
}
