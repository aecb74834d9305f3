import { FileError, isInstanceError } from "../../contract/errors.ts";

/** A failure of `node:fs` on the host's end of a transfer, as the contract tells it; anything else as it is. */
export function hostFileError(verb: string, path: string, error: unknown): unknown {
  if (isInstanceError(error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new FileError({ verb, path, errno: code, detail: "on the host" }, { cause: error });
}
