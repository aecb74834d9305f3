import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The files of the program's output, in the instance's folder `log`. The program itself writes them, without a process
 * in between.
 */
export function logFiles(folder: string): { readonly stdout: string; readonly stderr: string } {
  return { stdout: join(folder, "stdout.log"), stderr: join(folder, "stderr.log") };
}

/**
 * Empties the logs for a start. On the host they belong to the program's user, so that the program can open
 * `/dev/stdout`, to which images link their log files.
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
