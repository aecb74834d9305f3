/** A range of ids of the host: `base` and the `count` - 1 ids after it. */
export interface IdRange {
  readonly base: number;
  readonly count: number;
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

function between(base: number, end: number): IdRange {
  return { base, count: end - base };
}
