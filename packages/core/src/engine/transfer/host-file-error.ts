import { FileError, isInstanceError } from "../../errors/all.ts";

/**
 * Turns a failed system call on the host's side of a transfer into a {@link FileError}; returns other errors as they
 * are.
 */
export function hostFileError(verb: string, path: string, error: unknown): unknown {
  if (isInstanceError(error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return error;
  return new FileError({ verb, path, errno: code, detail: "on the host" }, { cause: error });
}
