import { existsSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Abortable, ConfigError, ConnectionError, type Limits } from "@pileus/core";
import { allOrNothing, type CgroupLayout, type Undo } from "@pileus/core/driver";
import type { LimitFile } from "./limit-file.ts";
import { defaultProcesses, limitFiles } from "./limits.ts";
import { setProcessors } from "./processor-set.ts";

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
export async function setLimits(limits: Limits, run: LimitedRun, options: Abortable): Promise<void> {
  const left = (cause?: ErrorOptions) =>
    new ConnectionError(`container "${run.name}"`, "it has left its cgroups", cause);
  const folders = new Map(
    ["cpu", "cpuset", "memory", "pids"].map((controller) => [controller, run.folder(controller)]),
  );
  const pathOf = ({ controller, file }: Pick<LimitFile, "controller" | "file">) => {
    const folder = folders.get(controller);
    if (folder === undefined) throw left();
    return join(folder, file);
  };
  await allOrNothing((undo) =>
    writeLimits(limits, { cgroups: run.cgroups, pathOf, undo }, options).catch((cause) => {
      throw isGone(cause) ? left({ cause }) : cause;
    }),
  );
}

interface WriteTarget extends Pick<LimitedRun, "cgroups"> {
  pathOf(file: Pick<LimitFile, "controller" | "file">): string;
  readonly undo: Undo;
}

async function writeLimits(
  limits: Limits,
  { cgroups, pathOf, undo }: WriteTarget,
  { signal }: Abortable,
): Promise<void> {
  const write = async (path: string, value: string) => {
    signal?.throwIfAborted();
    const old = (await readFile(path, "utf8")).trim();
    undo(() => writeCgroup(path, old).catch(passGone));
    await writeCgroup(path, value);
  };
  const both = cgroups.controller("memory") && pathOf({ controller: "memory", file: BOTH });
  const writes = limitWrites(limits, cgroups, both && existsSync(both) ? await readFile(both, "utf8") : undefined);
  for (const one of writes) {
    const path = pathOf(one);
    // A limit that is not asked for, of a kernel that does not count such a thing.
    if (one.value === one.none && !existsSync(path)) continue;
    const [folder, value] = [dirname(path), String(one.value)];
    const written =
      one.file === "memory.max"
        ? setMemory(folder, value, { write, signal })
        : one.file === "cpuset.cpus" && one.version === 1
          ? setProcessors(folder, value, write)
          : write(path, value);
    await written.catch(one.controller === "memory" ? refuseBusy : undefined);
  }
  // Else an answer that comes too late would outlive the call.
  signal?.throwIfAborted();
}

/** Memory and swap space together, in version 1. */
const BOTH = "memory.memsw.limit_in_bytes";

/** Has every file of a limit. */
const ALL: Limits = { cpu: { limit: 1, set: "0", priority: 1 }, memory: { limit: 1, swap: 1, soft: 1 }, processes: 1 };

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
 * Sets the limit of version 2. The kernel would kill for one below what is used, so it is made to take memory back
 * before, and the container is slowed down meanwhile, so that it does not take more: cgroup-v2.rst, memory.high. Nobody
 * else sets that, so it is taken away even if it was there before: from a process that was killed here.
 */
async function setMemory(
  folder: string,
  limit: string,
  { write, signal }: Abortable & { readonly write: (path: string, value: string) => Promise<void> },
): Promise<void> {
  const [current, high, max] = ["memory.current", "memory.high", "memory.max"].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  const isTooMuch = async () => limit !== "max" && Number(await readFile(current, "utf8")) > Number(limit);
  const speedUp = () => writeCgroup(high, "max");
  await allOrNothing(async (undo) => {
    undo(() => speedUp().catch(passGone));
    if (await isTooMuch()) {
      await writeCgroup(high, limit);
      signal?.throwIfAborted();
      if (await isTooMuch()) throw tooMuchInUse();
    }
    await write(max, limit);
    await speedUp();
  });
}

/** Whether a file of a cgroup went with it, before it was opened or while it was open. */
function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENODEV";
}

function passGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

/** Not as a new file: in a cgroup, that would be EACCES instead of ENOENT. */
async function writeCgroup(path: string, value: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    // Nothing is not a write.
    await file.write(value || "\n");
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
