import { isInstanceError } from "@pileus/core";

/**
 * Times the steps of one subject, and keeps its failures. After a failure, and once the signal is aborted, only the
 * step `delete` is run.
 */
export class Stopwatch {
  readonly name: string;
  readonly driver: string;
  kind: string;
  /** In milliseconds; for a failed step, the word FAILED. */
  readonly times = new Map<string, number | "FAILED">();
  readonly failures: string[] = [];
  readonly #say: (line: string) => void;
  readonly #signal: AbortSignal;

  constructor(
    subject: { readonly name: string; readonly kind: string; readonly driver: string },
    options: { readonly say: (line: string) => void; readonly signal: AbortSignal },
  ) {
    this.name = subject.name;
    this.kind = subject.kind;
    this.driver = subject.driver;
    this.#say = options.say;
    this.#signal = options.signal;
  }

  /** The step's result; undefined when it was not run, was interrupted or failed. */
  async step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    const wanted = name === "delete" || (this.failures.length === 0 && !this.#signal.aborted);
    if (!wanted) return undefined;
    const begin = performance.now();
    try {
      const result = await work();
      this.times.set(name, performance.now() - begin);
      this.#say(`${this.name}: ${name.padEnd(10)} ${milliseconds(performance.now() - begin)}${describe(result)}`);
      return result;
    } catch (error) {
      if (this.#signal.aborted && name !== "delete") return undefined;
      this.times.set(name, "FAILED");
      this.failures.push(`${this.name}: ${name}: ${error instanceof Error ? error.message : String(error)}`);
      // If the host lacks something, one line says so; other failures are shown in full.
      if (isInstanceError(error, "ERR_HOST")) this.#say(`${this.name}: ${name} FAILED: ${error.message}`);
      else console.error(error);
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

/** One column for each subject, one line for each step. */
export function renderTable(rows: readonly Stopwatch[]): string {
  const steps = [...new Set(rows.flatMap((row) => [...row.times.keys()]))];
  const columns = [
    ["name", "kind", "driver", ...steps],
    ...rows.map((row) => [row.name, row.kind, row.driver, ...steps.map((step) => cell(row.times.get(step)))]),
  ];
  const widths = columns.map((column) => Math.max(...column.map((text) => text.length)));
  return ["name", "kind", "driver", ...steps]
    .map((_, line) => columns.map((column, index) => pad(column[line] ?? "", index, widths[index] ?? 0)).join("  "))
    .join("\n");
}

function cell(time: number | "FAILED" | undefined): string {
  return typeof time === "number" ? milliseconds(time).trim() : (time ?? "–");
}

function pad(text: string, column: number, width: number): string {
  return column === 0 ? text.padEnd(width) : text.padStart(width);
}
