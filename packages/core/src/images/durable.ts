import type { Abortable } from "../flow/abortable.ts";
import { abortable } from "../flow/deadline.ts";
import { spawn } from "../system/spawn.ts";

/**
 * Makes everything that was written to a folder's file system durable: syncfs(2), by sync(1), because it can take
 * seconds. One call for a tree of any number of files; it also writes out what other programs wrote there meanwhile.
 */
export async function syncFileSystem(folder: string, { signal }: Abortable): Promise<void> {
  // The kernel does not interrupt it: an abort only ends the wait.
  await abortable(spawn(["sync", "--file-system", "--", folder], { fromPackage: "coreutils" }), signal);
}
