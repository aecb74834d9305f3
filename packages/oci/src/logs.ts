import { chown, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Abortable, type LogStream, UnsupportedError } from "@pileus/core";

/** The files that take the program's output, in the instance's folder `log`: written by the program itself, nobody between. */
export function logFiles(folder: string): { readonly stdout: string; readonly stderr: string } {
  return { stdout: join(folder, "stdout.log"), stderr: join(folder, "stderr.log") };
}

/**
 * Empties the logs for a start. They belong to the program's user, on the host, so that it can open `/dev/stdout` anew, which images
 * link their log files to.
 */
export async function prepareLogs(
  folder: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  for (const path of Object.values(logFiles(folder))) {
    await writeFile(path, "", { mode: 0o600 });
    await chown(path, owner.uid, owner.gid);
  }
}

/** See `Backend.logs()`: up to now, and empty before the first start. @throws {UnsupportedError} for the console */
export async function readLog(folder: string, stream: LogStream, options: Abortable): Promise<Readable> {
  if (stream === "console")
    throw new UnsupportedError({
      capability: "logs:console",
      reason: "an application container has no console: ask for stdout or stderr",
    });
  options.signal?.throwIfAborted();
  const path = logFiles(folder)[stream];
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return Readable.from([], { objectMode: false });
  const { size } = await file.stat();
  if (size === 0) {
    await file.close();
    return Readable.from([], { objectMode: false });
  }
  // What is written from now on would make the end of a busy program's log recede for ever.
  return file.createReadStream({ start: 0, end: size - 1, signal: options.signal });
}
