import { DriverError, isInstanceError } from "../../contract/errors.ts";
import { abortable } from "../../driver/deadline.ts";
import { hostFailure } from "../../system/host-failure.ts";

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
  /**
   * Releases an answer that comes after the abort. When it is given, an abort does not wait for the step: the caller
   * gets the reason of its signal at once, whether the driver obeys the signal or not.
   */
  readonly discard?: ((late: T) => void) | undefined;
}

/**
 * Calls a driver, which may be foreign code, and enforces the contract: every error becomes an error of this library,
 * and every answer has the shape that the step promises.
 *
 * @throws `signal.reason` when the signal has aborted, whatever the driver does; else {DriverError} or {HostError}
 */
export async function ask<T>(question: Question<T>, call: () => Promise<T>): Promise<T> {
  const { target, step, signal, isAnswer, discard } = question;
  signal?.throwIfAborted();
  let answer: T;
  try {
    // In an async function: a driver may throw before it returns a promise.
    const answering = (async () => call())();
    answer = await (discard === undefined ? answering : answerOrAbort(answering, signal, discard));
  } catch (error) {
    signal?.throwIfAborted();
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

async function answerOrAbort<T>(
  answering: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => void,
): Promise<T> {
  try {
    return await abortable(answering, signal);
  } catch (error) {
    // After an abort no caller takes the answer any more.
    answering.then(discard).catch(() => undefined);
    throw error;
  }
}

/** Turns an error of a driver into an error of the contract. */
export function driverFailure(target: Target, step: string, error: unknown): unknown {
  const known = hostFailure(`${step} instance "${target.instance}"`, error);
  if (isInstanceError(known)) return known;
  const why = error instanceof Error ? error.message : String(error);
  return new DriverError({ ...target, step, why }, { cause: error });
}
