import { FileError, isInstanceError } from "../../contract/errors.ts";

/** A failure of a system call on the host's end of a transfer, as the contract tells it; anything else as it is. */
export function hostFileError(verb: string, path: string, error: unknown): unknown {
  if (isInstanceError(error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return error;
  return new FileError({ verb, path, errno: code, detail: "on the host" }, { cause: error });
}
