/** One check of one suite. */
export interface Result {
  readonly suite: string;
  readonly step: string;
  readonly check: string;
  readonly ok: boolean;
  /** The reason, if it was skipped. */
  readonly skipped?: string | undefined;
  readonly ms: number;
  readonly error?: string | undefined;
}

/** The results of one suite so far. Each is also printed at once. */
export class Results {
  readonly all: Result[] = [];
  readonly #suite: string;

  constructor(suite: string) {
    this.#suite = suite;
  }

  say(line: string): void {
    console.log(`[stock] ${this.#suite}: ${line.replaceAll("\n", "\n    ")}`);
  }

  add(result: Omit<Result, "suite">): void {
    this.all.push({ suite: this.#suite, ...result });
    this.say(`${result.ok ? "ok" : "FAILED"}: ${result.check} (${seconds(result)} s)`);
    if (result.error !== undefined) this.say(result.error);
  }

  /** Does a piece of work as a check. Rejects if it fails. */
  async timed<T>(about: Pick<Result, "step" | "check">, work: () => Promise<T>): Promise<T> {
    this.say(`${about.check} …`);
    const start = performance.now();
    try {
      const value = await work();
      this.add({ ...about, ok: true, ms: performance.now() - start });
      return value;
    } catch (error) {
      this.add({ ...about, ok: false, ms: performance.now() - start, error: String((error as Error)?.stack ?? error) });
      throw error;
    }
  }
}

/** Suite, step, check, result and seconds, in columns. */
export function renderTable(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { suite, step, check, ok, skipped } = result;
    return [suite, step, check, ok ? (skipped === undefined ? "ok" : "skipped") : "FAILED", seconds(result)];
  });
  const all = [["suite", "step", "check", "result", "seconds"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

const seconds = ({ ms }: Pick<Result, "ms">): string => (ms / 1000).toFixed(1);
