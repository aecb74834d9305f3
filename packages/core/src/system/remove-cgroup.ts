import { constants, existsSync, rmdirSync } from "node:fs";
import { open, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { foldersIn } from "./folder-entries.ts";
import { readIfThere } from "./read-if-there.ts";

/**
 * How long a removed cgroup may still count a process that has ended but was not reaped by its parent, in milliseconds.
 */
const REAP_TIME = 2000;

/**
 * Kills what is left in a cgroup and in those below it, also what is frozen, and removes them all. `folder` is its
 * folder. Idempotent.
 */
export async function removeCgroup(folder: string): Promise<void> {
  if (isGone(folder)) return;
  for (let deadline = Number.POSITIVE_INFINITY; ; ) {
    const busy = await removeEmpty(folder);
    if (busy === undefined) return;
    if (performance.now() > deadline) throw busy;
    await killAll(folder);
    deadline = Math.min(deadline, performance.now() + REAP_TIME);
    // The kernel sends no event when another parent reaps a process.
    await setTimeout(5);
  }
}

/**
 * Removes a cgroup without cgroups or processes, and says whether there is none. Most of those of a run are: without
 * this, its end would wait a hundred times for a thread of libuv.
 */
function isGone(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Removes a cgroup and those below it, as far as no process is in them. Returns why one is left, if one is. */
async function removeEmpty(folder: string): Promise<Error | undefined> {
  const busy = (await eachBelow(folder, removeEmpty)).find((error) => error !== undefined);
  if (busy !== undefined) return busy;
  try {
    await rmdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EBUSY") return error as Error;
    // On a read-only file system, rmdir(2) does not look whether the folder exists.
    if (code !== "ENOENT" && !(code === "EROFS" && !existsSync(folder))) throw error;
  }
  return undefined;
}

/** A longer path goes on from a descriptor: a program inside may nest cgroups until no path reaches them (PATH_MAX). */
const LONG = 3000;

async function eachBelow<T>(folder: string, work: (folder: string) => Promise<T>): Promise<readonly T[]> {
  const names = await foldersIn(folder);
  const each = (start: string) => Promise.all(names.map((name) => work(`${start}/${name}`)));
  if (names.length === 0 || Buffer.byteLength(folder) < LONG) return each(folder);
  const opened = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await each(`/proc/self/fd/${opened.fd}`);
  } finally {
    await opened.close();
  }
}

/** Kills everything, then thaws from the bottom up, so that nothing runs on before it is killed. */
async function killAll(folder: string): Promise<void> {
  for (const pid of parsePids(await processesIn(folder))) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  await eachBelow(folder, killAll);
  await thaw(folder);
}

/**
 * Version 1: a frozen process does not even die, and is frozen as long as any cgroup above it is
 * (cgroup-v1/freezer-subsystem.rst).
 */
async function thaw(folder: string): Promise<void> {
  const file = join(folder, "freezer.state");
  const state = await readIfThere(file);
  if (state === undefined || state === "THAWED\n") return;
  try {
    await writeFile(file, "THAWED");
  } catch (error) {
    // A cgroup may go at any moment.
    if (!["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/**
 * Version 2: the processes of a threaded cgroup are listed only where its domain begins, which may be above all that is
 * removed (cgroup-v2.rst, "Threads"). For kill(2), the id of any thread stands for its process.
 */
async function processesIn(folder: string): Promise<string> {
  try {
    return (await readIfThere(join(folder, "cgroup.procs"))) ?? "";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTSUP") throw error;
    return (await readIfThere(join(folder, "cgroup.threads"))) ?? "";
  }
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
