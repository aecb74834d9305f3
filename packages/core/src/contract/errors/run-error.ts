import type { RunResult } from "../run.ts";
import { InstanceError } from "./instance-error.ts";

/** Lines of standard error in the message, and their characters. */
const TOLD = { lines: 5, characters: 1024 } as const;

/** A program failed that `run()` was asked to `check`. */
export class RunError extends InstanceError {
  readonly code = "ERR_RUN";
  /** All that is known of the program, its output as text. */
  readonly result: RunResult;
  /** `program` is its name and where it ran: `make in "builder"`. */
  constructor(program: string, result: RunResult, options?: ErrorOptions) {
    const lines = result.stderr.trimEnd().split("\n").slice(-TOLD.lines).join(" | ").slice(-TOLD.characters);
    super(`${program} ${describeFailure(result)}${lines === "" ? "" : `: ${lines}`}`, options);
    this.result = result;
  }
}

function describeFailure({ exitCode, signal, truncated, oom }: RunResult): string {
  if (truncated) return "printed more than maxOutput and was killed";
  if (oom) return "was killed by the kernel for want of memory";
  return signal === undefined ? `exited with ${exitCode}` : `was ended by ${signal}`;
}
