import type { RunResult } from "../run.ts";
import { InstanceError } from "./instance-error.ts";
import { lastLinesOf, quoteLastLines } from "./last-lines.ts";

/** A deadline passed: the caller's, or a default that the documentation of the call names. */
export class TimeoutError extends InstanceError {
  readonly code = "ERR_TIMEOUT";
  /** Milliseconds. */
  readonly timeout: number;
  /**
   * For `run()`: the result so far, with the output as text. Absent when the program had not begun, and for every other
   * call.
   */
  readonly result: RunResult | undefined;
  /**
   * For `ready()`: the last lines that the instance printed, unfiltered. Absent when it printed none or lacks the
   * capability `logs`, and for every other call.
   */
  readonly lastLines: string | undefined;
  constructor(
    action: string,
    timeout: number,
    options?: ErrorOptions & {
      readonly hint?: string;
      readonly result?: RunResult | undefined;
      readonly lastLines?: string | undefined;
    },
  ) {
    const { hint, lastLines, result } = options ?? {};
    // As in RunError, so that the reason is seen where only messages are shown.
    const printed = lastLines ?? (lastLinesOf(result?.stderr ?? "") || lastLinesOf(result?.stdout ?? ""));
    const none = timeout === 0 ? ["0 leaves no time; Infinity is no limit"] : [];
    const details = [...none, ...(hint ? [hint] : []), ...quoteLastLines(printed || undefined)].join("; ");
    super(`${action} did not finish within ${timeout} ms${details === "" ? "" : `: ${details}`}`, options);
    this.timeout = timeout;
    this.result = options?.result;
    this.lastLines = lastLines;
  }
}

/** A reader of events fell so far behind that some would have been lost silently. */
export class OverrunError extends InstanceError {
  readonly code = "ERR_WATCH_OVERRUN";
  /** The most events that a reader may be behind. */
  readonly limit: number;
  constructor(limit: number, options?: ErrorOptions) {
    super(
      `a watcher fell more than ${limit} events behind: read the state again, watch again, and read faster`,
      options,
    );
    this.limit = limit;
  }
}
