import { createHash } from "node:crypto";
import { endOf, type IdRange, subtract } from "../terms/id-range.ts";
import { ID_COUNT } from "../terms/idmap.ts";

/** A range that is not free, and its owner: `the user "anna" (/etc/subuid, line 3)`. */
export interface TakenRange extends IdRange {
  readonly owner: string;
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
