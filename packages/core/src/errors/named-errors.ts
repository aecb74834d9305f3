import { EXISTS_CODES, IN_USE_CODES, NOT_FOUND_CODES } from "./codes.ts";
import { InstanceError } from "./instance-error.ts";

/** What can be missing. It determines the error's code: `"image"` gives `ERR_IMAGE_NOT_FOUND`. */
export type NotFoundKind = keyof typeof NOT_FOUND_CODES;

/** Something named does not exist. For a missing file inside an instance see {@link FileError}. */
export class NotFoundError extends InstanceError {
  readonly code: (typeof NOT_FOUND_CODES)[NotFoundKind];
  readonly kind: NotFoundKind;
  /** The name or path of what is missing. */
  readonly subject: string;
  constructor(kind: NotFoundKind, subject: string, options?: ErrorOptions & { readonly hint?: string }) {
    super(`no ${kind} "${subject}"${options?.hint ? `: ${options.hint}` : ""}`, options);
    this.code = NOT_FOUND_CODES[kind];
    this.kind = kind;
    this.subject = subject;
  }
}

/** What can have a name already. It determines the error's code. */
export type ExistsKind = keyof typeof EXISTS_CODES;

/** The name is taken by an instance, by a network with another definition, or by an interface of the machine. */
export class AlreadyExistsError extends InstanceError {
  readonly code: (typeof EXISTS_CODES)[ExistsKind];
  readonly kind: ExistsKind;
  /** The name that is taken. */
  readonly subject: string;
  constructor(kind: ExistsKind, subject: string, options: ErrorOptions & { readonly hint?: string | undefined } = {}) {
    const { hint = "choose another name or delete it first", ...rest } = options;
    super(`${kind} "${subject}" already exists: ${hint}`, rest);
    this.code = EXISTS_CODES[kind];
    this.kind = kind;
    this.subject = subject;
  }
}

/** What instances can use. It determines the error's code. */
export type InUseKind = keyof typeof IN_USE_CODES;

/** An image or a network cannot be deleted while instances use it, nor a device detached while programs do. */
export class InUseError extends InstanceError {
  readonly code: (typeof IN_USE_CODES)[InUseKind];
  readonly kind: InUseKind;
  /** The name of what is in use. */
  readonly subject: string;
  /** The names of the instances that use it, sorted; of a device, programs as in `1234 (redis-server)`. */
  readonly users: readonly string[];
  constructor(
    kind: InUseKind,
    subject: string,
    users: readonly string[],
    options: ErrorOptions & { readonly hint?: string | undefined } = {},
  ) {
    const sorted = [...users].sort();
    const { hint = `delete ${sorted.length === 1 ? "it" : "them"} first`, ...rest } = options;
    super(`${kind} "${subject}" is in use by ${sorted.join(", ")}: ${hint}`, rest);
    this.code = IN_USE_CODES[kind];
    this.kind = kind;
    this.subject = subject;
    this.users = sorted;
  }
}
