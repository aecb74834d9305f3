import { Deadline } from "@pileus/core/driver";
import { MARK } from "./inside/reporter.ts";
import type { Result, Results } from "./results.ts";

/** The longest that a step may take on a host as fast as the reference, in milliseconds: see inside/measure.ts. */
const STEP_TIME = 600_000;

/** Runs a program in the folder of the application. `onLine` gets each line of its output. */
export type Run = (
  argv: readonly string[],
  options: {
    readonly onLine: (line: string) => void;
    readonly env?: Readonly<Record<string, string>>;
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly failed: boolean; readonly exit: unknown }>;

/** Where checks run, by which Node. */
export interface Place {
  readonly run: Run;
  readonly node: string;
  readonly signal: AbortSignal;
}

/** How many times longer this place takes for a fixed piece of work than the machine that time limits are for. */
async function measure({ run, node, signal }: Place): Promise<number> {
  const lines: string[] = [];
  const { failed } = await run([node, "stock/inside/measure.js"], { onLine: (line) => lines.push(line), signal });
  const factor = Math.ceil(Number(lines.at(-1)));
  if (failed || !(factor > 0)) throw new Error(`the measurement failed: ${lines.join("\n")}`);
  return factor;
}

/** Runs a file of checks, and adds its results as they come. Rejects only if `signal` is aborted. */
export async function runStep(place: Place, step: string, results: Results): Promise<void> {
  const { run, node, signal } = place;
  const start = performance.now();
  const outcomes: boolean[] = [];
  const onLine = (line: string) => {
    if (!line.startsWith(MARK)) return results.say(line);
    const result = JSON.parse(line.slice(MARK.length)) as Omit<Result, "suite" | "step">;
    outcomes.push(result.ok);
    results.add({ step, ...result });
  };
  let error: string;
  try {
    const factor = await measure(place);
    results.say(`${step}, ${factor} times as slow as the reference …`);
    const argv = [node, "--test-reporter=./stock/inside/reporter.js", `stock/checks/${step}.js`];
    const env = { PILEUS_FACTOR: String(factor) };
    using deadline = new Deadline({ action: step, timeout: STEP_TIME * factor, signal });
    const { failed, exit } = await run(argv, { onLine, env, signal: deadline.signal });
    if (outcomes.length > 0 && failed === outcomes.includes(false)) return;
    error = `it ended with ${JSON.stringify(exit)} after ${outcomes.length} checks`;
  } catch (reason) {
    signal.throwIfAborted();
    error = String((reason as Error)?.message ?? reason);
  }
  results.add({ step, check: "ends with its last check", ok: false, ms: performance.now() - start, error });
}
