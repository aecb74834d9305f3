import { existsSync } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { foldersIn } from "./folder-entries.ts";
import { readIfThere } from "./read-if-there.ts";

/**
 * How long a removed cgroup may still count a process that has ended but was not reaped by its parent, in milliseconds.
 */
const REAP_TIME = 2000;

/** Kills what is left in a cgroup and in those below it, and removes them all. `folder` is its folder. Idempotent. */
export async function removeCgroup(folder: string): Promise<void> {
  await removeBy(folder, Date.now() + REAP_TIME);
}

async function removeBy(folder: string, deadline: number): Promise<void> {
  await Promise.all((await foldersIn(folder)).map((child) => removeBy(join(folder, child), deadline)));
  for (;;) {
    try {
      return await rmdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // On a read-only file system, rmdir(2) does not look whether the folder exists.
      if (code === "ENOENT" || (code === "EROFS" && !existsSync(folder))) return;
      if (code !== "EBUSY" || Date.now() > deadline) throw error;
    }
    await killAll(folder);
    // The kernel sends no event when another parent reaps a process.
    await setTimeout(5);
  }
}

async function killAll(folder: string): Promise<void> {
  for (const pid of parsePids((await readIfThere(join(folder, "cgroup.procs"))) ?? "")) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  // Version 1: a frozen process does not even die.
  if (await readIfThere(join(folder, "freezer.state"))) await writeFile(join(folder, "freezer.state"), "THAWED");
}

/**
 * Parses the pids of a `cgroup.procs`. A process of another pid namespace is listed as 0, which for kill(2) would mean
 * our own process group.
 */
export function parsePids(procs: string): readonly number[] {
  return procs
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}
