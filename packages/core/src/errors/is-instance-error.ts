import type { ErrorCode, EXISTS_CODES, IN_USE_CODES, NOT_FOUND_CODES } from "./codes.ts";
import type { ConfigError } from "./config-error.ts";
import type { ConsoleBusyError } from "./console-busy-error.ts";
import type { FileError, ImageError } from "./content-errors.ts";
import type { DriverError } from "./driver-error.ts";
import type { CommandError, HostError, UnsupportedError } from "./host-errors.ts";
import { isBranded } from "./instance-error.ts";
import type { AlreadyExistsError, InUseError, NotFoundError } from "./named-errors.ts";
import type { AgentError, ConnectionError, ProtocolError } from "./peer-errors.ts";
import type { RunError } from "./run-error.ts";
import type { StateError } from "./state-error.ts";
import type { CursorError, OverrunError, TimeoutError } from "./time-errors.ts";

/** One error class, by its codes: one for each noun. */
type ByNoun<E, Codes extends Readonly<Record<string, ErrorCode>>> = {
  [Kind in keyof Codes as Codes[Kind]]: E & { readonly code: Codes[Kind]; readonly kind: Kind };
};

/** The error class of each code. */
export interface ErrorsByCode
  extends ByNoun<NotFoundError, typeof NOT_FOUND_CODES>,
    ByNoun<AlreadyExistsError, typeof EXISTS_CODES>,
    ByNoun<InUseError, typeof IN_USE_CODES> {
  ERR_INSTANCE_STATE: StateError;
  ERR_UNSUPPORTED: UnsupportedError;
  ERR_CONFIG: ConfigError;
  ERR_HOST: HostError;
  ERR_COMMAND: CommandError;
  ERR_PROTOCOL: ProtocolError;
  ERR_CONNECTION: ConnectionError;
  ERR_TIMEOUT: TimeoutError;
  ERR_RUN: RunError;
  ERR_CONSOLE_BUSY: ConsoleBusyError;
  ERR_WATCH_OVERRUN: OverrunError;
  ERR_WATCH_CURSOR: CursorError;
  ERR_AGENT: AgentError;
  ERR_DRIVER: DriverError;
  ERR_IMAGE_INVALID: ImageError;
  ERR_FILE: FileError;
}

/**
 * Narrows an unknown value to an error of this library; with codes, to the classes of these codes:
 *
 * ```ts
 * if (isInstanceError(error, "ERR_IMAGE_NOT_FOUND")) console.log(error.subject);
 * ```
 *
 * Without a code, a `switch` over `error.code` narrows. Works across copies of this package, where `instanceof` fails.
 */
export function isInstanceError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is ErrorsByCode[C] {
  if (!isBranded(error)) return false;
  return codes.length === 0 || (codes as readonly ErrorCode[]).includes(error.code);
}
