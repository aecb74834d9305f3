import { createHash } from "node:crypto";
import { createReadStream, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { type Abortable, ImageError, NotFoundError } from "@pileus/core";

/**
 * Reads a file and asserts its digests. Returns a check that the file is still the same, because skopeo opens it again
 * by its path. @throws {ImageError} @throws {NotFoundError}
 */
export async function pinFile(
  path: string,
  pins: readonly string[],
  { signal }: Abortable,
): Promise<() => Promise<void>> {
  if (pins.length === 0) return async () => undefined;
  const before = await identityOf(path);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw unreadable(path, cause);
  });
  const digest = `sha256:${hash.digest("hex")}`;
  for (const pin of pins) if (digest !== pin) throw new ImageError(path, `the file has digest ${digest}, not ${pin}`);
  return async () => {
    if ((await identityOf(path)) !== before) throw new ImageError(path, "it changed while it was read");
  };
}

/** A text that changes when the file changes, as in git's index: a change of the content changes the times. */
async function identityOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeMs, ctimeMs }: Stats = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  return [dev, ino, size, mtimeMs, ctimeMs].join();
}

/** The error for a file of the caller that cannot be read. */
export function unreadable(path: string, cause: unknown): Error {
  return (cause as NodeJS.ErrnoException).code === "ENOENT"
    ? new NotFoundError("host file", path, { cause })
    : new ImageError(path, "it cannot be read", { cause });
}
