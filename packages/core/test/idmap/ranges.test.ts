import { describe, expect, it } from "vitest";
import { chooseRange } from "../../src/idmap/ranges.ts";
import { endOf, type IdRange, intersect, overlap, subtract } from "../../src/terms/id-range.ts";

const range = (base: number, count: number): IdRange => ({ base, count });

/** Numbers that look random and are the same in every run: mulberry32. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe("ranges of ids", () => {
  it("overlap when they have an id in common", () => {
    expect(overlap(range(10, 5), range(14, 1))).toBe(true);
    expect(overlap(range(10, 5), range(15, 1))).toBe(false);
    expect(overlap(range(15, 1), range(10, 5))).toBe(false);
  });
  it("are what two sets have in common", () => {
    expect(intersect([range(0, 10), range(20, 10)], [range(5, 20)])).toEqual([range(5, 5), range(20, 5)]);
    expect(intersect([range(0, 10)], [range(10, 10)])).toEqual([]);
  });
  it.each([
    ["nothing taken", [], [range(10, 10)]],
    ["the begin", [range(5, 7)], [range(12, 8)]],
    ["the end", [range(19, 1)], [range(10, 9)]],
    ["the middle, twice, out of order", [range(16, 1), range(12, 2)], [range(10, 2), range(14, 2), range(17, 3)]],
    ["all, by ranges that overlap", [range(0, 15), range(12, 20)], []],
  ])("are what is left of another: %s", (_, taken, left) => {
    expect(subtract([range(10, 10)], taken)).toEqual(left);
  });
});

describe("a chosen range", () => {
  const POOL = [range(1_000_000, 10 * 65_536)];

  it("does not exist if no gap is large enough, even if enough ids are free", () => {
    const taken = Array.from({ length: 10 }, (_, i) => range(1_000_000 + i * 65_536 + 100, 1));
    expect(chooseRange(POOL, taken, { count: 65_536, seed: "a" })).toBeUndefined();
    expect(chooseRange([], [], { count: 65_536, seed: "a" })).toBeUndefined();
    expect(chooseRange(POOL, [], { count: 11 * 65_536, seed: "a" })).toBeUndefined();
  });
  it("is the last one that is free", () => {
    const taken = [range(0, 1_000_000 + 7 * 65_536), range(1_000_000 + 8 * 65_536, 1_000_000)];
    expect(chooseRange(POOL, taken, { count: 65_536, seed: "a" })).toEqual(range(1_000_000 + 7 * 65_536, 65_536));
  });
  it("differs between seeds, and is the same for the same seed", () => {
    const bases = Array.from({ length: 50 }, (_, i) => chooseRange(POOL, [], { count: 65_536, seed: `${i}` })?.base);
    expect(new Set(bases).size).toBeGreaterThan(5);
    expect(chooseRange(POOL, [], { count: 65_536, seed: "7" })?.base).toBe(bases[7]);
  });
  it("takes the whole pool, range by range, and leaves no gap", () => {
    const given: IdRange[] = [];
    for (let i = 0; i < 10; i++) {
      const next = chooseRange(POOL, given, { count: 65_536, seed: `${i}` });
      if (next !== undefined) given.push(next);
    }
    expect(given).toHaveLength(10);
    expect(chooseRange(POOL, given, { count: 1, seed: "x" })).toBeUndefined();
  });
  it("lies in the pool and overlaps nothing that is taken, whatever the pool, the taken ranges and its size", () => {
    const next = numbers(7);
    let chosen = 0;
    for (let round = 0; round < 500; round++) {
      const pool: IdRange[] = [];
      for (let base = next(100_000), i = 0; i < 1 + next(3); i++) {
        pool.push(range(base, 1 + next(600_000)));
        base = endOf(pool.at(-1) as IdRange) + next(100_000);
      }
      const taken: IdRange[] = Array.from({ length: next(6) }, () => range(next(2_000_000), 1 + next(150_000)));
      const count = 1 + next(140_000);
      for (let i = 0; i < 20; i++) {
        const got = chooseRange(pool, taken, { count, seed: `${round} ${i}` });
        if (got === undefined) break;
        chosen += 1;
        expect(got.count).toBe(count);
        expect(subtract([got], pool)).toEqual([]);
        expect(taken.filter((other) => overlap(other, got))).toEqual([]);
        taken.push(got);
      }
    }
    expect(chosen).toBeGreaterThan(1000);
  });
});
