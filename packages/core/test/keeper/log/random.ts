import { randomInt } from "node:crypto";

/** Numbers that a seed determines, which a failure names: mulberry32. `PILEUS_SEED` repeats one. */
export function random(seed = Number(process.env["PILEUS_SEED"] ?? randomInt(2 ** 31))) {
  let state = seed;
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below;
  };
  const integer = (below: number) => Math.floor(next(below));
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => integer(256)));
  return { seed, integer, bytes };
}
