import { setMaxListeners } from "node:events";
import { TimeoutError } from "../errors/all.ts";
import type { Abortable } from "./abortable.ts";

/** The listeners of one signal, and what stops listening to it. */
interface Listeners {
  readonly waiting: Set<() => void>;
  readonly stop: () => void;
}

/**
 * What waits for each signal, through one listener on the signal itself: a caller may pass one signal to any number of
 * calls, and Node reports more than ten listeners as a leak.
 */
const listening = new WeakMap<AbortSignal, Listeners>();

/** Calls `listener` when `signal` aborts, at once if it has. What it returns stops listening. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  const { waiting, stop } = listening.get(signal) ?? listenTo(signal);
  // The same listener may be given twice.
  const own = () => listener();
  waiting.add(own);
  return () => {
    if (waiting.delete(own) && waiting.size === 0) stop();
  };
}

function listenTo(signal: AbortSignal): Listeners {
  const waiting = new Set<() => void>();
  const abort = () => {
    listening.delete(signal);
    for (const own of waiting) own();
  };
  const stop = () => {
    listening.delete(signal);
    signal.removeEventListener("abort", abort);
  };
  signal.addEventListener("abort", abort, { once: true });
  const listeners = { waiting, stop };
  listening.set(signal, listeners);
  return listeners;
}

/** Waits for `promise` until `signal` aborts; the work behind the promise goes on. @throws `signal.reason` */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  // After an abort the promise is not awaited: a late rejection must not count as unhandled.
  promise.catch(() => undefined);
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = onAbort(signal, () => reject(signal.reason));
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stop();
  }
}

/**
 * As {@link abortable}, but `promise` has `grace` milliseconds after the abort to settle by itself: for work that
 * undoes what it did.
 */
export async function abortableWithin<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  grace: number,
): Promise<T> {
  if (signal === undefined) return promise;
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = onAbort(signal, () => {
    timer = setTimeout(() => late.abort(signal.reason), grace);
  });
  try {
    return await abortable(promise, late.signal);
  } finally {
    clearTimeout(timer);
    stop();
  }
}

/** Options of {@link Deadline} and {@link withDeadline}. */
export interface DeadlineOptions extends Abortable {
  /** The action, for the message: `"stop of web"`. */
  readonly action: string;
  /** Milliseconds; `Infinity` never passes. */
  readonly timeout: number;
  /** What to check, for the message. */
  readonly hint?: string | undefined;
}

/** The longest delay of a timer, in milliseconds; a longer one fires at once (Node, "Timers"). */
const LONGEST = 2 ** 31 - 1;

/**
 * A signal that aborts with a {@link TimeoutError} when `timeout` has passed, or before that with the caller's own
 * reason. Dispose it when the work is done: it holds a timer and a listener on the caller's signal.
 */
export class Deadline implements Disposable {
  /** Pass it to the work that the deadline limits. */
  readonly signal: AbortSignal;
  readonly #dispose: () => void;
  #hasPassed = false;

  constructor(options: DeadlineOptions) {
    const linked = linkSignals(options.signal);
    this.signal = linked.signal;
    const { action, timeout, hint } = options;
    const pass = () => {
      this.#hasPassed = !linked.signal.aborted;
      linked.abort(new TimeoutError(action, timeout, hint === undefined ? {} : { hint }));
    };
    const timer = timeout > LONGEST ? undefined : setTimeout(pass, Math.max(timeout, 0));
    this.#dispose = () => {
      clearTimeout(timer);
      linked[Symbol.dispose]();
    };
  }

  /** Whether `signal` aborted because `timeout` passed. */
  get hasPassed(): boolean {
    return this.#hasPassed;
  }

  /** Stops the timer, and listening to the caller's signal. A second call does nothing. */
  [Symbol.dispose](): void {
    this.#dispose();
  }
}

/** Runs `work` under a {@link Deadline} and stops waiting for it when that has passed. */
export async function withDeadline<T>(options: DeadlineOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new Deadline(options);
  try {
    return await abortable(work(deadline.signal), deadline.signal);
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** What {@link linkSignals} returns. Disposing stops listening to the signals that it links. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  /** Aborts `signal`, with a reason or without. */
  abort(reason?: unknown): void;
}

/**
 * A signal that aborts when one of `signals` does, with the same reason, until it is disposed. `AbortSignal.any()`
 * cannot be disposed: the dependants of a long-lived signal add up (nodejs/node#54614).
 */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = unlimitedController();
  const stops = signals.flatMap((signal) =>
    signal === undefined ? [] : [onAbort(signal, () => controller.abort(signal.reason))],
  );
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => {
      for (const stop of stops) stop();
    },
  };
}

/** A controller whose signal may have any number of listeners: Node 20 reports more than ten as a leak on stderr. */
export function unlimitedController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
