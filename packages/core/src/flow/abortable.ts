/**
 * The last argument of every asynchronous call.
 *
 * An abort rejects the call with `signal.reason`, unchanged: cancellation is the caller's own value, never an
 * {@link InstanceError}. Each method says what an abort undoes.
 */
export interface Abortable {
  /**
   * Its abort ends the call, which then rejects with the signal's reason. Default: none.
   *
   * Join signals with `linkSignals()` and add a time limit with `Deadline`, not with `AbortSignal.any()`: on Node 20
   * the garbage collector can collect an `AbortSignal.timeout()` that was joined so (nodejs/node#57736), and the
   * dependants of a long-lived signal add up (nodejs/node#54614).
   */
  readonly signal?: AbortSignal | undefined;
}

/** How long a call waits before it gives up, in milliseconds. `Infinity` waits for ever. */
export interface Timed {
  /** Milliseconds. Each call names its default. */
  readonly timeout?: number | undefined;
}

/** How far a long operation is. Sizes are bytes; `total` is absent while it is unknown. */
export interface Progress {
  /** The step under way, as a readable word: `"fetch"`, `"unpack"`, `"verify"`, `"push"` … */
  readonly phase: string;
  /** Bytes done so far in this phase. */
  readonly done: number;
  /** Bytes in all; absent while it is unknown. */
  readonly total?: number | undefined;
}

/** Options of calls that report {@link Progress}. If the listener throws, the call rejects with what it threw. */
export interface ProgressOptions extends Abortable {
  /** Called with the progress as the work goes on. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}
