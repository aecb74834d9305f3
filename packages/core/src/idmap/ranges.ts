import { createHash } from "node:crypto";
import { ID_COUNT } from "../terms/idmap.ts";

/** A range of ids of the host: `base` and the `count` - 1 ids after it. */
export interface IdRange {
  readonly base: number;
  readonly count: number;
}

/** A range that is not free, and its owner: `the user "anna" (/etc/subuid, line 3)`. */
export interface TakenRange extends IdRange {
  readonly owner: string;
}

export function endOf({ base, count }: IdRange): number {
  return base + count;
}

export function overlap(a: IdRange, b: IdRange): boolean {
  return a.base < endOf(b) && b.base < endOf(a);
}

/** `1048576 to 1114111` */
export function renderRange(range: IdRange): string {
  return `${range.base} to ${endOf(range) - 1}`;
}

/** What two sets of ranges have in common. */
export function intersect(some: readonly IdRange[], others: readonly IdRange[]): readonly IdRange[] {
  return some.flatMap((a) =>
    others.filter((b) => overlap(a, b)).map((b) => between(Math.max(a.base, b.base), Math.min(endOf(a), endOf(b)))),
  );
}

/** What is left of `ranges` without the ids of `taken`. */
export function subtract(ranges: readonly IdRange[], taken: readonly IdRange[]): readonly IdRange[] {
  const sorted = taken.toSorted((a, b) => a.base - b.base);
  return ranges.flatMap((range) => {
    const left: IdRange[] = [];
    let next = range.base;
    for (const other of sorted) {
      if (!overlap(range, other)) continue;
      if (other.base > next) left.push(between(next, other.base));
      next = Math.max(next, endOf(other));
    }
    return next < endOf(range) ? [...left, between(next, endOf(range))] : left;
  });
}

/** Places for ranges in a row: the first id of the first one, and their number. */
interface Slots {
  readonly first: number;
  readonly number: number;
}

/**
 * Where a range of `count` ids can be. Ranges begin at the start of each part of the pool and after every `step` ids,
 * so that they leave no gaps.
 */
function slotsOf(
  pool: readonly IdRange[],
  taken: readonly IdRange[],
  { count, step }: { readonly count: number; readonly step: number },
): readonly Slots[] {
  return pool.flatMap((part) =>
    subtract([part], taken).flatMap((free) => {
      const first = part.base + Math.ceil((free.base - part.base) / step) * step;
      const number = Math.floor((endOf(free) - first - count) / step) + 1;
      return number > 0 ? [{ first, number }] : [];
    }),
  );
}

function sum(slots: readonly Slots[]): number {
  return slots.reduce((all, { number }) => all + number, 0);
}

/** How many instances can still get a range of the usual size. */
export function countFree(pool: readonly IdRange[], taken: readonly IdRange[]): number {
  return sum(slotsOf(pool, taken, { count: ID_COUNT, step: ID_COUNT }));
}

/**
 * Chooses `count` consecutive free ids of the pool; `undefined` when there are none. `seed` decides which of the free
 * ranges it is: a range that was given back is seldom used again at once, and programs that do not know of each other
 * seldom choose the same.
 */
export function chooseRange(
  pool: readonly IdRange[],
  taken: readonly IdRange[],
  { count, seed, step = ID_COUNT }: { readonly count: number; readonly seed: string; readonly step?: number },
): IdRange | undefined {
  const slots = slotsOf(pool, taken, { count, step });
  if (slots.length === 0) return undefined;
  let index = createHash("sha256").update(seed).digest().readUInt32BE() % sum(slots);
  for (const { first, number } of slots) {
    if (index < number) return { base: first + index * step, count };
    index -= number;
  }
  throw new TypeError("the slots do not add up");
}

function between(base: number, end: number): IdRange {
  return { base, count: end - base };
}
