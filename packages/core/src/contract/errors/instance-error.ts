import { printable } from "../../text/printable.ts";
import type { ErrorCode } from "./codes.ts";

// Registered, so that two copies of this package in one process recognise each other's errors.
const BRAND = Symbol.for("@pileus/core/InstanceError");

// No message of ours is so long; one that quotes a stranger may be.
const MAX_MESSAGE = 8192;

/**
 * The root of all errors that this library makes. Cancellation is not one of them: see {@link Abortable}.
 *
 * A message is one printable line, whoever is quoted in it: a guest, an image, a registry, a tool. What could steer a
 * terminal or forge a line of a log is U+FFFD there. Fields hold the original text unless their
 * documentation says otherwise.
 */
export abstract class InstanceError extends Error {
  abstract readonly code: ErrorCode;
  /** What failed while the call undid what it had done. Absent where nothing did. */
  declare readonly cleanupFailures?: readonly unknown[];
  get [BRAND](): true {
    return true;
  }
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message, MAX_MESSAGE), options);
    this.name = new.target.name;
  }
}

/** Whether a value was made by a class of this file, or of another copy of it. */
export function isBranded(value: unknown): value is InstanceError {
  return typeof value === "object" && value !== null && BRAND in value;
}
