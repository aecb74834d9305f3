import { setTimeout } from "node:timers/promises";

/**
 * One measured operation: what it is called, and how to do it once. Only what lies between `begin` and `end` counts.
 */
export interface Subject {
  readonly name: string;
  /** Does it once and returns the milliseconds that count. */
  readonly once: () => Promise<number>;
}

export interface Row {
  readonly what: string;
  readonly name: string;
  readonly median: number;
  readonly p90: number;
  /** Against the first subject, pair by pair. Absent for the first. */
  readonly ratio?: number | undefined;
}

/**
 * Pause before each measurement, in milliseconds. The kernel's lock over cgroup migrations is cheap right after another
 * migration (percpu-rwsem and its RCU grace period: lxc-start 9 ms then, 22 ms after a pause), and a real start comes
 * alone.
 */
const PAUSE = 60;

/** The time of one piece of work, in milliseconds. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** The row of one series of times, which is compared with nothing. */
export function rowOf(what: string, name: string, times: readonly number[]): Row {
  return { what, name, median: quantile(times, 0.5), p90: quantile(times, 0.9) };
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/**
 * Measures the subjects in turn (A B A B …), so that a machine whose speed drifts treats them alike, after one round
 * that does not count. Ratios are the median of the ratios of each round, ours over the others'.
 */
export async function compare(
  what: string,
  subjects: readonly [Subject, ...Subject[]],
  rounds: number,
): Promise<Row[]> {
  const times = subjects.map((): number[] => []);
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, subject] of subjects.entries()) {
      await setTimeout(PAUSE);
      const elapsed = await subject.once();
      if (round >= 0) times[index]?.push(elapsed);
    }
  }
  const [ours = []] = times;
  return subjects.map((subject, index) => {
    const own = times[index] ?? [];
    const ratios = ours.map((value, round) => value / (own[round] ?? Number.NaN));
    return {
      ...rowOf(what, subject.name, own),
      ratio: index === 0 ? undefined : quantile(ratios, 0.5),
    };
  });
}

export function renderRows(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.what,
    row.name,
    `${row.median.toFixed(1)} ms`,
    `${row.p90.toFixed(1)} ms`,
    row.ratio === undefined ? "" : `${row.ratio.toFixed(2)}×`,
  ]);
  const table = [["operation", "by", "median", "p90", "ours is"], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  return table
    .map((line) =>
      line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
}
