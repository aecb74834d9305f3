import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Abortable, ConfigError, type Limits } from "@pileus/core";
import { allOrNothing, type CgroupLayout } from "@pileus/core/driver";
import { defaultProcesses, type LimitFile, limitFiles } from "./limits.ts";

/** The limits that a run has, and those that it is to have. */
export interface LimitChange {
  readonly before: Limits;
  readonly after: Limits;
}

/**
 * Changes the limits of a running container, all or none. `folder` finds its cgroup for a controller.
 *
 * @throws {ConfigError} when it uses more memory than the new limit, and cannot give it back.
 */
export async function changeLimits(
  change: LimitChange,
  cgroups: Pick<CgroupLayout, "controller">,
  folder: (controller: string) => string | undefined,
  { signal }: Abortable,
): Promise<void> {
  await allOrNothing(async (undo) => {
    for (const { controller, version, file, value } of limitWrites(change, cgroups)) {
      signal?.throwIfAborted();
      const path = join(folder(controller) ?? "", file);
      const old = (await readFile(path, "utf8")).trim();
      if (file === "memory.max" && typeof value === "number") await makeRoom(folder(controller) ?? "", value);
      undo(() => writeFile(path, old));
      try {
        await writeFile(path, String(value));
      } catch (error) {
        // cgroup-v1/memory.rst: it could not be reclaimed.
        if (version === 1 && (error as NodeJS.ErrnoException).code === "EBUSY") throw tooMuchInUse();
        throw error;
      }
    }
  });
}

/** What is written, in an order in which the kernel takes it. Pure. */
export function limitWrites(
  { before, after }: LimitChange,
  cgroups: Pick<CgroupLayout, "controller">,
  processes = defaultProcesses,
): readonly Omit<LimitFile, "none">[] {
  const whole = (limits: Limits): Limits => ({ ...limits, processes: limits.processes ?? processes() });
  const [old, now] = [limitFiles(whole(before), cgroups), limitFiles(whole(after), cgroups)];
  const kept = now.filter(({ file, value }) => old.every((one) => one.file !== file || one.value !== value));
  const gone = old.filter(({ file }) => now.every((one) => one.file !== file));
  const writes = [...kept, ...gone.map(({ none, ...file }) => ({ ...file, value: none }))];
  return raisesSwap(old, writes) ? [...writes].reverse() : writes;
}

/** Whether memory and swap together rise: the kernel holds them above the limit of memory at any moment. */
function raisesSwap(old: readonly LimitFile[], writes: readonly Omit<LimitFile, "none">[]): boolean {
  const find = (files: readonly Omit<LimitFile, "none">[]) =>
    files.find(({ file }) => file === "memory.memsw.limit_in_bytes")?.value;
  const [from = -1, to] = [find(old), find(writes)].map((value) => (value === undefined ? undefined : Number(value)));
  return to !== undefined && from !== -1 && (to === -1 || to > from);
}

/** Makes the kernel take memory back first: it would kill for a limit that is below what is used. cgroup-v2.rst. */
async function makeRoom(folder: string, limit: number): Promise<void> {
  const used = async () => Number(await readFile(join(folder, "memory.current"), "utf8"));
  const above = (await used()) - limit;
  if (above <= 0) return;
  await writeFile(join(folder, "memory.reclaim"), String(above)).catch((error: NodeJS.ErrnoException) => {
    // Not all of it; or a kernel before 5.19, which has no such file.
    if (error.code !== "EAGAIN" && error.code !== "ENOENT") throw error;
  });
  if ((await used()) > limit) throw tooMuchInUse();
}

function tooMuchInUse(): ConfigError {
  const message =
    "the instance uses more than that, and the kernel cannot take it back: end what uses it, or ask for more";
  return new ConfigError("change of the configuration", [{ path: ["limits", "memory"], message }]);
}
