import { HostError, isInstanceError } from "../contract/errors.ts";
import { diskFull, isDiskFull } from "./disk-full.ts";

/**
 * What leaves the store where something failed: errors of the contract as they are, a failure of the system as what to
 * do about it. `image` is what was worked on.
 */
export function storeError(image: string, folder: string, thrown: unknown): unknown {
  const error = firstFailure(thrown);
  if (isDiskFull(error)) return diskFull(image, error);
  if (isInstanceError(error) || !isSystemError(error)) return error;
  const files = error.code === "EMFILE" || error.code === "ENFILE";
  const missing = files
    ? {
        need: "files",
        reason: "too many files are open",
        fix: "raise the limit of open files (ulimit -n), or close some",
      }
    : { need: "image-store", reason: error.message, fix: `look at the file system of ${folder}` };
  return new HostError(`work on image ${image}`, [missing], { cause: thrown });
}

/** The failure that began it: what failed in clearing up after it is a consequence. */
function firstFailure(thrown: unknown): unknown {
  let error = thrown;
  while (error instanceof Error && error.name === "SuppressedError" && "suppressed" in error) error = error.suppressed;
  return error;
}

/** Of a system call, as `node:fs` and our own calls make them. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
