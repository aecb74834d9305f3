import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { z } from "zod";
import { parseJson } from "../text/bounded-json.ts";

/** Bytes of the largest file that {@link readSmallFile} reads: a configuration may have megabytes of environment. */
export const MAX_SMALL_FILE = 16 * 1024 * 1024;

/** Under the name of a small file stands something else, or the system cannot read it. */
export class UnreadableFileError extends Error {
  /** The system's error name, where the system refused. */
  readonly code: string | undefined;
  constructor(message: string, cause?: NodeJS.ErrnoException) {
    super(message, { cause });
    this.code = cause?.code;
  }
}

/**
 * The text of a small file that this library keeps; `undefined` where there is none. Synchronous: a local file costs
 * less than a trip through the thread pool (9 against 130 µs).
 *
 * @throws {UnreadableFileError} for a folder, a symlink, a fifo, a file that is too large, or one that the system
 * cannot read. What this process lacks is thrown as the system says it: that is no fault of the file.
 */
export function readSmallFile(path: string): string | undefined {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK a fifo would be waited for.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    if (!found.isFile()) throw new UnreadableFileError("it is no file");
    if (found.size > MAX_SMALL_FILE)
      throw new UnreadableFileError(`it has ${found.size} bytes, and may have ${MAX_SMALL_FILE}`);
    return readFileSync(fd, "utf8");
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (error instanceof UnreadableFileError || ["EMFILE", "ENFILE", "ENOMEM"].includes(code)) throw error;
    throw new UnreadableFileError(message, error as NodeJS.ErrnoException);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * What a small JSON file that this library keeps says; `undefined` where there is none. `onDamage` decides about one
 * that cannot be read, or is not of the schema.
 *
 * @throws what this process lacks: see {@link readSmallFile}.
 */
export function readSmallJson<S extends z.ZodType, D>(
  path: string,
  schema: S,
  onDamage: (cause: unknown, text: string) => D,
): z.output<S> | D | undefined {
  let text: string | undefined;
  try {
    text = readSmallFile(path);
  } catch (error) {
    if (error instanceof UnreadableFileError) return onDamage(error, "");
    throw error;
  }
  if (text === undefined) return undefined;
  try {
    return schema.parse(parseJson(text));
  } catch (error) {
    return onDamage(error, text);
  }
}
