import type { RunResult } from "../terms/run-result.ts";
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

/** Why {@link CursorError} refuses a cursor, and what helps. */
const CURSOR_REASONS = {
  "too old": "the journal does not keep events that are so old",
  unknown: "the journal has no such place: it was damaged, or removed and begun anew",
  unreadable: "the journal cannot be read: see host.doctor()",
} as const;

/** Events cannot be told from a cursor on. */
export class CursorError extends InstanceError {
  readonly code = "ERR_WATCH_CURSOR";
  /** The cursor. */
  readonly cursor: string;
  /**
   * `too old`: events after it are not kept any more. `unknown`: it is not of this journal, or a power loss or somebody
   * else has cut the journal off before it. `unreadable`: the journal itself cannot be read.
   */
  readonly reason: keyof typeof CURSOR_REASONS;
  constructor(cursor: string, reason: keyof typeof CURSOR_REASONS, options?: ErrorOptions) {
    super(
      `cannot tell the events since ${cursor}: ${CURSOR_REASONS[reason]}; read the states again with list(), and watch without \`since\``,
      options,
    );
    this.cursor = cursor;
    this.reason = reason;
  }
}
