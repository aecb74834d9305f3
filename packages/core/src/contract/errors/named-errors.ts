import { EXISTS_CODES, IN_USE_CODES, NOT_FOUND_CODES } from "./codes.ts";
import { InstanceError } from "./instance-error.ts";

/** What can be missing. The code of the error follows from it: `"image"` gives `ERR_IMAGE_NOT_FOUND`. */
export type NotFoundKind = keyof typeof NOT_FOUND_CODES;

/** What was named does not exist. A file that does not exist inside an instance is a {@link FileError}. */
export class NotFoundError extends InstanceError {
  readonly code: (typeof NOT_FOUND_CODES)[NotFoundKind];
  readonly kind: NotFoundKind;
  /** The name of what is missing, or its path. */
  readonly subject: string;
  constructor(kind: NotFoundKind, subject: string, options?: ErrorOptions & { readonly hint?: string }) {
    super(`no ${kind} "${subject}"${options?.hint ? `: ${options.hint}` : ""}`, options);
    this.code = NOT_FOUND_CODES[kind];
    this.kind = kind;
    this.subject = subject;
  }
}

/** What can be in the way of something new of the same name. The code of the error follows from it. */
export type ExistsKind = keyof typeof EXISTS_CODES;

/** The name is taken: by an instance, by another definition of a network, by an interface of the machine. */
export class AlreadyExistsError extends InstanceError {
  readonly code: (typeof EXISTS_CODES)[ExistsKind];
  readonly kind: ExistsKind;
  /** The name that is taken. */
  readonly subject: string;
  constructor(kind: ExistsKind, subject: string, options: ErrorOptions & { readonly hint?: string | undefined } = {}) {
    const { hint = "choose another name or delete it first", ...rest } = options;
    super(`${kind} "${subject}" exists already: ${hint}`, rest);
    this.code = EXISTS_CODES[kind];
    this.kind = kind;
    this.subject = subject;
  }
}

/** What instances can use. The code of the error follows from it. */
export type InUseKind = keyof typeof IN_USE_CODES;

/** An image or a network cannot be deleted while instances use it. */
export class InUseError extends InstanceError {
  readonly code: (typeof IN_USE_CODES)[InUseKind];
  readonly kind: InUseKind;
  /** The name of what is in use. */
  readonly subject: string;
  /** The names of the instances that use it. */
  readonly users: readonly string[];
  constructor(kind: InUseKind, subject: string, users: readonly string[], options?: ErrorOptions) {
    super(`${kind} "${subject}" is used by ${users.join(", ")}: delete them first`, options);
    this.code = IN_USE_CODES[kind];
    this.kind = kind;
    this.subject = subject;
    this.users = users;
  }
}
