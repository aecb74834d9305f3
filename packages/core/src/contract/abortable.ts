/**
 * The last argument of every asynchronous call.
 *
 * An abort rejects the call with `signal.reason`, unchanged: cancellation is the caller's own value, never an
 * {@link InstanceError}. What an abort undoes is said by each method.
 */
export interface Abortable {
  /**
   * Its abort ends the call, which then rejects with the signal's reason. Default: none.
   *
   * Join signals with `linkSignals()` and add a time limit with `Deadline`, not with `AbortSignal.any()`: on
   * Node 20 that loses an `AbortSignal.timeout()` to the garbage collector (nodejs/node#57736), and on a long-lived
   * signal its dependants add up (nodejs/node#54614).
   */
  readonly signal?: AbortSignal | undefined;
}

/** A duration after which a call gives up, in milliseconds. `Infinity` waits for ever. */
export interface Timed {
  /** Milliseconds. The default is said by each call. */
  readonly timeout?: number | undefined;
}

/** How far a long operation is. Sizes are bytes; `total` is absent where nobody knows it yet. */
export interface Progress {
  /** What is under way, as a word a person can read: `"fetch"`, `"unpack"`, `"verify"`, `"push"` … */
  readonly phase: string;
  /** Bytes done so far of what is under way. */
  readonly done: number;
  /** Bytes in all; absent where nobody knows it yet. */
  readonly total?: number | undefined;
}

/** Options of calls that report {@link Progress}. The listener must not throw; what it throws rejects the call. */
export interface ProgressOptions extends Abortable {
  /** Called as the work goes on, with how far it is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}
