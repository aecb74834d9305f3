/** Times the steps of one instance, and keeps what went wrong. After a failure the later steps are not run. */
export class Stopwatch {
  readonly instance: string;
  readonly driver: string;
  kind = "";
  readonly times = new Map<string, number>();
  readonly failures: string[] = [];
  readonly #say: (line: string) => void;

  constructor(instance: string, driver: string, say: (line: string) => void) {
    this.instance = instance;
    this.driver = driver;
    this.#say = say;
  }

  /** Runs a step, unless one before it failed; `delete` always runs. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    if (this.failures.length > 0 && name !== "delete") return undefined;
    const begin = performance.now();
    try {
      const result = await work();
      this.times.set(name, performance.now() - begin);
      this.#say(`${this.instance}: ${name.padEnd(10)} ${milliseconds(performance.now() - begin)}${describe(result)}`);
      return result;
    } catch (error) {
      this.failures.push(`${this.instance}: ${name}: ${error instanceof Error ? error.message : String(error)}`);
      console.error(error);
      return undefined;
    }
  }
}

function describe(result: unknown): string {
  return typeof result === "string" ? `   ${result}` : "";
}

function milliseconds(time: number): string {
  return `${time.toFixed(time < 100 ? 1 : 0)} ms`.padStart(9);
}

/** One line an instance, one column a step. */
export function renderTable(rows: readonly Stopwatch[]): string {
  const steps = [...new Set(rows.flatMap((row) => [...row.times.keys()]))];
  const head = ["instance", "kind", "driver", ...steps];
  const body = rows.map((row) => [
    row.instance,
    row.kind,
    row.driver,
    ...steps.map((step) => {
      const time = row.times.get(step);
      return time === undefined ? "–" : milliseconds(time).trim();
    }),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...body.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  return [line(head), line(widths.map((width) => "─".repeat(width))), ...body.map(line)].join("\n");
}
