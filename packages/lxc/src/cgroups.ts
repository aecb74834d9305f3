import { readFileSync } from "node:fs";
import { readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { CgroupLayout } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import { cgroupNames } from "./paths.ts";

/**
 * How long a removed cgroup may still count a process that has ended but was not reaped by its parent, in milliseconds.
 */
const REAP_TIME = 2000;

/**
 * The folder of a container's own cgroup for a controller, which holds its limits. `undefined` if the host does not
 * have the controller.
 */
export function containerCgroup(
  layout: CgroupLayout,
  spec: Pick<ContainerSpec, "name" | "hostId">,
  init: number,
  controller: string,
): string | undefined {
  const folder = layout.folderOf(readCgroups(init), controller);
  // Its init is in a cgroup below. A systemd moves itself further down.
  const { container } = cgroupNames(spec);
  const at = folder?.split("/").lastIndexOf(container) ?? -1;
  return at < 0
    ? undefined
    : folder
        ?.split("/")
        .slice(0, at + 1)
        .join("/");
}

function readCgroups(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch (error) {
    // The process has ended since the last look.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}

/**
 * Kills what is left in a container's cgroups and removes them. At an orderly end liblxc removes its own cgroups,
 * except the one to which its monitor withdraws. Idempotent.
 */
export async function removeCgroups(layout: CgroupLayout, spec: Pick<ContainerSpec, "name" | "hostId">): Promise<void> {
  const { container, monitor, pivot } = cgroupNames(spec);
  const folders = layout.hierarchies.flatMap(({ path }) => [container, monitor, pivot].map((name) => join(path, name)));
  await Promise.all(folders.map((folder) => removeCgroup(folder, Date.now() + REAP_TIME)));
}

async function removeCgroup(folder: string, deadline: number): Promise<void> {
  const children = await listFolders(folder);
  if (children === undefined) return;
  await Promise.all(children.map((child) => removeCgroup(join(folder, child), deadline)));
  for (;;) {
    try {
      return await rmdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || Date.now() > deadline) throw error;
    }
    await killAll(folder);
    // The kernel sends no event when another parent reaps a process.
    await setTimeout(5);
  }
}

async function killAll(folder: string): Promise<void> {
  for (const pid of parsePids(await readIfThere(join(folder, "cgroup.procs")))) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  // Version 1: a frozen process does not even die.
  if ((await readIfThere(join(folder, "freezer.state"))) !== "")
    await writeFile(join(folder, "freezer.state"), "THAWED");
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

async function listFolders(folder: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
