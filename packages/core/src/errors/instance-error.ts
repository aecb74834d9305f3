import { printable } from "../text/printable.ts";
import type { ErrorCode } from "./codes.ts";

// In the global symbol registry, so that two copies of this package in one process recognise each other's errors.
const BRAND = Symbol.for("@pileus/core/InstanceError");

// No message of ours is that long; a message that quotes foreign text may be.
const MAX_MESSAGE = 8192;

/**
 * The base class of all errors of this library. Cancellation is not one of them: see {@link Abortable}.
 *
 * A message is one printable line, even when it quotes a guest, an image, a registry or a tool: characters that could
 * control a terminal or forge a log line are replaced by U+FFFD. Fields hold the original text unless their
 * documentation says otherwise.
 */
export abstract class InstanceError extends Error {
  abstract readonly code: ErrorCode;
  /** Failures while the call undid what it had done. Absent when there were none. */
  declare readonly cleanupFailures?: readonly unknown[];
  get [BRAND](): true {
    return true;
  }
  constructor(message: string, options?: ErrorOptions) {
    super(printable(message, MAX_MESSAGE), options);
    this.name = new.target.name;
  }
}

/** Whether a value is an {@link InstanceError}, of this copy of the package or another. */
export function isBranded(value: unknown): value is InstanceError {
  return typeof value === "object" && value !== null && BRAND in value;
}
