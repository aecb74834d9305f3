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

/** The results so far. Each is also printed at once. */
export class Results {
  readonly all: Result[] = [];
  readonly say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.say = say;
  }

  add(result: Result): void {
    this.all.push(result);
    this.say(`${result.ok ? "ok" : "FAILED"}: ${result.suite}: ${result.check} (${seconds(result)} s)`);
    if (result.error !== undefined) this.say(result.error.replaceAll("\n", "\n    "));
  }

  /** Does a piece of work as a check. Rejects if it fails. */
  async timed<T>(about: Pick<Result, "suite" | "step" | "check">, work: () => Promise<T>): Promise<T> {
    this.say(`${about.suite}: ${about.check} …`);
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

const seconds = ({ ms }: Result): string => (ms / 1000).toFixed(1);
