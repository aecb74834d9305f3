import { printable } from "../text/printable.ts";
import { explainErrno } from "./errno.ts";
import { InstanceError } from "./instance-error.ts";

/** An image is malformed or hostile, or its content differs from its digest. */
export class ImageError extends InstanceError {
  readonly code = "ERR_IMAGE_INVALID";
  readonly image: string;
  constructor(image: string, why: string, options?: ErrorOptions) {
    super(`image ${image}: ${why}`, options);
    this.image = image;
  }
}

/**
 * A file operation failed, inside an instance or on the host's end of a push or pull. `errno` is the system's name
 * (`ENOENT`, `EACCES`, `EISDIR` …).
 */
export class FileError extends InstanceError {
  readonly code = "ERR_FILE";
  /** For display: each character that is not printable, and each byte that is not UTF-8, is U+FFFD. */
  readonly path: string;
  readonly errno: string;
  /** More about the cause, when known. */
  readonly detail?: string;
  constructor(
    facts: { readonly verb: string; readonly path: string; readonly errno: string; readonly detail?: string },
    options?: ErrorOptions,
  ) {
    super(`cannot ${facts.verb} ${facts.path}: ${explainErrno(facts.verb, facts.errno, facts.detail)}`, options);
    this.path = printable(facts.path);
    this.errno = facts.errno;
    if (facts.detail !== undefined) this.detail = printable(facts.detail);
  }
}
