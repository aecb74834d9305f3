import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Abortable, ConfigError, ConnectionError, type Limits } from "@pileus/core";
import { allOrNothing, type CgroupLayout } from "@pileus/core/driver";
import { defaultProcesses, type LimitFile, limitFiles } from "./limits.ts";

/** Where the limits of a running container are. */
export interface LimitedRun {
  /** For messages. */
  readonly name: string;
  readonly cgroups: Pick<CgroupLayout, "controller">;
  /** Its cgroup for a controller; `undefined` when it is ending. */
  folder(controller: string): string | undefined;
}

/**
 * Gives a running container these limits and no others, whatever it has now; all or none.
 *
 * @throws {ConfigError} when it uses more memory than the new limit, and cannot give it back. @throws {ConnectionError}
 * when it is ending.
 */
export async function setLimits(limits: Limits, run: LimitedRun, { signal }: Abortable): Promise<void> {
  const folders = new Map(["cpu", "memory", "pids"].map((controller) => [controller, run.folder(controller)]));
  const pathOf = ({ controller, file }: Pick<LimitFile, "controller" | "file">) => {
    const folder = folders.get(controller);
    if (folder === undefined) throw new ConnectionError(`container "${run.name}"`, "it has left its cgroups");
    return join(folder, file);
  };
  await allOrNothing(async (undo) => {
    const write = async (path: string, value: string) => {
      signal?.throwIfAborted();
      const old = (await readFile(path, "utf8")).trim();
      undo(() => writeCgroup(path, old));
      await writeCgroup(path, value);
    };
    const both = run.cgroups.controller("memory") && pathOf({ controller: "memory", file: BOTH });
    const writes = limitWrites(
      limits,
      run.cgroups,
      both && existsSync(both) ? await readFile(both, "utf8") : undefined,
    );
    for (const one of writes) {
      const path = pathOf(one);
      // A limit that is not asked for, of a kernel that does not count such a thing.
      if (one.value === one.none && !existsSync(path)) continue;
      if (one.file === "memory.max" && one.value !== one.none)
        await lower(path.slice(0, -one.file.length), String(one.value), { write, signal });
      else await write(path, String(one.value)).catch(refuseBusy);
    }
    // Else an answer that comes too late would outlive the call.
    signal?.throwIfAborted();
  });
}

/** Memory and swap space together, in version 1. */
const BOTH = "memory.memsw.limit_in_bytes";

/** Has every file of a limit. */
const ALL: Limits = { cpu: 1, memory: { limit: 1, swap: 1 }, processes: 1 };

/**
 * What is written, in an order in which the kernel takes it: version 1 holds memory and swap together above the limit of
 * memory at any moment, and version 2 would move to the swap space first what it then has no room for. `both`: what the
 * limit of memory and swap together is now. Pure.
 */
export function limitWrites(
  { processes, ...limits }: Limits,
  cgroups: Pick<CgroupLayout, "controller">,
  both: string | undefined,
  ofProcesses = defaultProcesses,
): readonly LimitFile[] {
  const wanted = limitFiles({ ...limits, processes: processes ?? ofProcesses() }, cgroups);
  const writes = limitFiles(ALL, cgroups).map(
    (file) => wanted.find((one) => one.file === file.file) ?? { ...file, value: file.none },
  );
  const swapFirst = (file: string) => {
    const value = Number(writes.find((one) => one.file === BOTH)?.value);
    return (
      file === "memory.swap.max" || (file === BOTH && both !== undefined && (value === -1 || value > Number(both)))
    );
  };
  return [...writes.filter(({ file }) => swapFirst(file)), ...writes.filter(({ file }) => !swapFirst(file))];
}

/**
 * Lowers the limit of version 2. The kernel would kill for one below what is used, so it is made to take memory back
 * before, and the container is slowed down meanwhile, so that it does not take more: cgroup-v2.rst, memory.high.
 */
async function lower(
  folder: string,
  limit: string,
  { write, signal }: Abortable & { readonly write: (path: string, value: string) => Promise<void> },
): Promise<void> {
  const [current, high] = ["memory.current", "memory.high"].map((file) => join(folder, file));
  const used = async () => Number(await readFile(current ?? "", "utf8"));
  if ((await used()) <= Number(limit)) return write(join(folder, "memory.max"), limit);
  const before = (await readFile(high ?? "", "utf8")).trim();
  try {
    await writeCgroup(high ?? "", limit);
    signal?.throwIfAborted();
    if ((await used()) > Number(limit)) throw tooMuchInUse();
    await write(join(folder, "memory.max"), limit);
  } finally {
    await writeCgroup(high ?? "", before);
  }
}

/** Not as a new file: in a cgroup, that would be EACCES instead of ENOENT. */
async function writeCgroup(path: string, value: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.write(value);
  } finally {
    await file.close();
  }
}

/** cgroup-v1/memory.rst: it could not be reclaimed. */
function refuseBusy(error: NodeJS.ErrnoException): never {
  throw error.code === "EBUSY" ? tooMuchInUse() : error;
}

function tooMuchInUse(): ConfigError {
  const message =
    "the instance uses more than that, and the kernel cannot take it back: end what uses it, or ask for more";
  return new ConfigError("change of the configuration", [{ path: ["limits", "memory"], message }]);
}
