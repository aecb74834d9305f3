import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";

/**
 * The text of a file of the host; `undefined` if it does not exist, or belongs to a process or a cgroup that does not
 * exist any more.
 */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    return undefinedIfGone(error);
  }
}

/** The same at once, for the files of /proc and other small ones. */
export function readIfThereSync(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return undefinedIfGone(error);
  }
}

/** A file of a process that ends after the open has the error ESRCH; one of a cgroup that is removed then, ENODEV. */
function undefinedIfGone(error: unknown): undefined {
  if (["ENOENT", "ESRCH", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
  throw error;
}
