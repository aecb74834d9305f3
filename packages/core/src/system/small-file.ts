import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { z } from "zod";
import { parseJson } from "../text/bounded-json.ts";

/** The most bytes that {@link readSmallFile} reads: a configuration may have megabytes of environment. */
export const MAX_SMALL_FILE = 16 * 1024 * 1024;

/**
 * The most bytes of a configuration: its record also has the state and the last exit, and is filled up to whole blocks
 * (replace-file.ts).
 */
export const MAX_CONFIG = MAX_SMALL_FILE - 64 * 1024;

/** A small file is not a regular file, is too large, or cannot be read. */
export class UnreadableFileError extends Error {
  /** The system's error name, when the system refused to read it. */
  readonly code: string | undefined;
  constructor(message: string, cause?: NodeJS.ErrnoException) {
    super(message, { cause });
    this.code = cause?.code;
  }
}

/**
 * Reads a small file that this library keeps; `undefined` when it does not exist. Synchronous: reading a local file is
 * faster than a trip through the thread pool (9 against 130 µs).
 *
 * @throws {UnreadableFileError} for a folder, a symlink, a fifo, a file that is too large, or one that the system
 * cannot read. When this process lacks a right or a resource, the system's error is thrown: the file is not at fault.
 */
export function readSmallFile(path: string): string | undefined {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK the open of a fifo would block.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = fstatSync(fd);
    if (!found.isFile()) throw new UnreadableFileError("it is not a regular file");
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
 * Reads a small JSON file that this library keeps; `undefined` when it does not exist. `onDamage` handles a file that
 * cannot be read or does not match the schema.
 *
 * @throws the system's error when this process lacks a right or a resource: see {@link readSmallFile}.
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
