import { ConnectionError, DriverError, isInstanceError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, Deadline, linkSignals, onAbort } from "../../flow/deadline.ts";
import { hostFailure } from "../../system/host-failure.ts";
import { Overtaken } from "./overtaken.ts";
import { stepTimeout, UNDO_GRACE } from "./step-timeouts.ts";

/** The driver and the instance, for messages. */
export interface Target {
  readonly driver: string;
  readonly instance: string;
}

/** One call to a driver. */
export interface Question<T> {
  readonly target: Target;
  /** The step of the driver interface: `"launch"`, `"files.read"`. */
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
  /** Whether the answer has the shape that the step promises. */
  readonly isAnswer: (value: unknown) => boolean;
  /** Releases an answer that comes after the engine has stopped waiting for it. */
  readonly discard?: ((late: T) => void) | undefined;
  /**
   * Aborts when the run has ended that the step works in. The step then has {@link UNDO_GRACE} to say so itself. Not for a
   * step that `changes`.
   */
  readonly over?: AbortSignal | undefined;
  /**
   * Whether the step changes the instance. An abort then waits for the end of the step, at most until its deadline,
   * because the next step must not begin earlier; after a kill or a deletion has overtaken the call it waits for
   * {@link UNDO_GRACE}. Else the caller gets the reason of its signal at once, whether the driver obeys it or not.
   */
  readonly changes?: boolean | undefined;
}

/**
 * Calls a driver, which may be foreign code, and enforces the contract: every error becomes an error of this library,
 * every answer has the shape that the step promises, and no step takes longer than its deadline. A step that changes the
 * instance gets a signal that its deadline aborts too.
 *
 * @throws `signal.reason` when the signal has aborted, whatever the driver does; else {TimeoutError}, {DriverError} or
 * {HostError}
 */
export async function ask<T>(question: Question<T>, call: (options: Abortable) => Promise<T>): Promise<T> {
  const { target, step, signal, isAnswer } = question;
  signal?.throwIfAborted();
  let answer: T;
  using deadline = new Deadline({
    action: `${step} of instance "${target.instance}" by the driver "${target.driver}"`,
    timeout: stepTimeout(step),
    signal,
    hint: 'the driver does not answer: stop the instance with { mode: "kill" }, or delete it',
  });
  try {
    // In an async function: a driver may throw before it returns a promise.
    const answering = (async () => call({ signal: deadline.signal }))();
    answer = await answerInTime(answering, deadline, question);
  } catch (error) {
    signal?.throwIfAborted();
    if (deadline.hasPassed) throw deadline.signal.reason;
    throw driverFailure(target, step, error);
  }
  if (isAnswer(answer)) return answer;
  throw new DriverError({ ...target, step, why: "its answer is not of the promised shape" });
}

/** As {@link ask}, for a synchronous step. */
export function askNow<T>(question: Omit<Question<T>, "signal" | "discard">, call: () => T): T {
  const { target, step, isAnswer } = question;
  let answer: T;
  try {
    answer = call();
  } catch (error) {
    throw driverFailure(target, step, error);
  }
  if (isAnswer(answer)) return answer;
  // If the answer is an unexpected promise, its failure must not be an unhandled rejection.
  if (answer instanceof Promise) answer.catch(() => undefined);
  throw new DriverError({ ...target, step, why: "its answer is not of the promised shape" });
}

async function answerInTime<T>(answering: Promise<T>, deadline: Deadline, question: Question<T>): Promise<T> {
  const { changes = false, signal, step, discard, over, target } = question;
  try {
    if (!changes) {
      using within = linkSignals(deadline.signal);
      const end = () => within.abort(new ConnectionError(`instance "${target.instance}"`, "it has ended"));
      using _timer = over && timerOnAbort(over, () => UNDO_GRACE, end);
      return await abortable(answering, within.signal);
    }
    using given = linkSignals();
    // From the caller's abort on, the driver has the time of the step anew to undo what it did.
    const giveUp = () => given.abort(deadline.signal.reason);
    const wait = () => (isOvertaken(signal) || deadline.hasPassed ? UNDO_GRACE : stepTimeout(step));
    using _timer = timerOnAbort(deadline.signal, wait, giveUp);
    return await abortable(answering, given.signal);
  } catch (error) {
    // Nobody takes the answer any more.
    answering.then(discard).catch(() => undefined);
    throw error;
  }
}

/** Calls `act` that many milliseconds after the abort of `signal`, unless it is disposed before. */
function timerOnAbort(signal: AbortSignal, delay: () => number, act: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const stop = onAbort(signal, () => {
    const after = delay();
    if (Number.isFinite(after)) timer = setTimeout(act, after);
  });
  return {
    [Symbol.dispose]: () => {
      stop();
      clearTimeout(timer);
    },
  };
}

function isOvertaken(signal: AbortSignal | undefined): boolean {
  return signal?.reason instanceof Overtaken;
}

/** Turns an error of a driver into an error of the contract. */
export function driverFailure(target: Target, step: string, error: unknown): unknown {
  const known = hostFailure(`${step} instance "${target.instance}"`, error);
  if (isInstanceError(known)) return known;
  const why = error instanceof Error ? error.message : String(error);
  return new DriverError({ ...target, step, why }, { cause: error });
}
