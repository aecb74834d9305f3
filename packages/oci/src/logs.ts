import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";

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
