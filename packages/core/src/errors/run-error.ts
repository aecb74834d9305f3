import type { RunResult } from "../terms/run-result.ts";
import { InstanceError } from "./instance-error.ts";
import { lastLinesOf } from "./last-lines.ts";

/** A program failed, and `run()` was called with `check`. */
export class RunError extends InstanceError {
  readonly code = "ERR_RUN";
  /** The result of the program, with its output as text. */
  readonly result: RunResult;
  /** `program` is its name and where it ran: `make in "builder"`. */
  constructor(program: string, result: RunResult, options: ErrorOptions & { readonly hint?: string | undefined } = {}) {
    const { hint, ...rest } = options;
    const lines = lastLinesOf(result.stderr);
    const told = [describeFailure(result), ...(hint === undefined ? [] : [hint]), ...(lines === "" ? [] : [lines])];
    super(`${program} ${told.join(": ")}`, rest);
    this.result = result;
  }
}

function describeFailure({ exitCode, signal, truncated, oom }: RunResult): string {
  if (truncated) return `printed more than maxOutput${signal === undefined ? "" : " and was killed"}`;
  if (oom) return "was killed by the kernel because memory ran out";
  return signal === undefined ? `exited with ${exitCode}` : `was ended by ${signal}`;
}
