import { DriverError, isInstanceError } from "../../contract/errors.ts";
import { abortable } from "../../driver/deadline.ts";
import { hostFailure } from "../../system/host-failure.ts";

/** The driver and the instance, for messages. */
export interface Asked {
  readonly driver: string;
  readonly instance: string;
}

/** One question to a driver. */
export interface Question<T> {
  readonly asked: Asked;
  /** The step of the driver interface: `"launch"`, `"files.read"`. */
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
  /** Whether the answer is of the shape that the step promises. */
  readonly isAnswer: (value: unknown) => boolean;
  /**
   * Gives back an answer that comes after the abort. Its presence says that the step need not be waited for: the caller
   * has its signal's reason at once, whether the driver heeds the signal or not.
   */
  readonly discard?: ((late: T) => void) | undefined;
}

/**
 * Asks a driver, which may be anybody's code, and holds it to the contract: whatever it throws becomes an error of this
 * library, and what it returns is of the shape that the step promises.
 *
 * @throws `signal.reason` when that has aborted, whatever the driver says. @throws {DriverError} @throws {HostError}
 */
export async function ask<T>(question: Question<T>, call: () => Promise<T>): Promise<T> {
  const { asked, step, signal, isAnswer, discard } = question;
  signal?.throwIfAborted();
  let answer: T;
  try {
    // Within the function: a driver may throw before it returns a promise.
    const answering = (async () => call())();
    answer = await (discard === undefined ? answering : answerOrAbort(answering, signal, discard));
  } catch (error) {
    signal?.throwIfAborted();
    throw driverFailure(asked, step, error);
  }
  if (isAnswer(answer)) return answer;
  throw new DriverError({ ...asked, step, why: "its answer is not of the promised shape" });
}

/** As {@link ask}, of a step that answers at once. */
export function askNow<T>(question: Omit<Question<T>, "signal" | "discard">, call: () => T): T {
  const { asked, step, isAnswer } = question;
  let answer: T;
  try {
    answer = call();
  } catch (error) {
    throw driverFailure(asked, step, error);
  }
  if (isAnswer(answer)) return answer;
  // A promise where none was due: its failure must not be an unhandled rejection.
  if (answer instanceof Promise) answer.catch(() => undefined);
  throw new DriverError({ ...asked, step, why: "its answer is not of the promised shape" });
}

async function answerOrAbort<T>(
  answering: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => void,
): Promise<T> {
  try {
    return await abortable(answering, signal);
  } catch (error) {
    // Only an abort leaves an answer behind: no caller takes it any more.
    answering.then(discard).catch(() => undefined);
    throw error;
  }
}

/** A driver's failure as the contract tells it. */
export function driverFailure(asked: Asked, step: string, error: unknown): unknown {
  const known = hostFailure(`${step} instance "${asked.instance}"`, error);
  if (isInstanceError(known)) return known;
  const why = error instanceof Error ? error.message : String(error);
  return new DriverError({ ...asked, step, why }, { cause: error });
}
