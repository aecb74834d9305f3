import { FileError } from "../errors/all.ts";

/** Turns an error of `node:fs` or of a system call into the contract's error; returns any other as it is. */
export function fileError(verb: string, path: string, error: unknown): unknown {
  const { code, detail } = (error ?? {}) as { readonly code?: unknown; readonly detail?: unknown };
  if (error instanceof FileError || typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return error;
  const facts = { verb, path, errno: code, ...(typeof detail === "string" ? { detail } : {}) };
  return new FileError(facts, { cause: error });
}

/** Runs one file operation, and turns its failure into a {@link FileError}. */
export async function fileCall<T>(verb: string, path: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fileError(verb, path, error);
  }
}
