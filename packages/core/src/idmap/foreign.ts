import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { IdRange, TakenRange } from "./ranges.ts";

/** The ranges of ids outside that the text of /proc/PID/uid_map maps to, as its reader sees them. */
export function parseIdMap(text: string): readonly IdRange[] {
  return text.split("\n").flatMap((line) => {
    const [, base, count] = /^\s*\d+\s+(\d+)\s+(\d+)\s*$/.exec(line) ?? [];
    return base === undefined ? [] : [{ base: Number(base), count: Number(count) }];
  });
}

/** The ids inside our own user namespace: no others can be given to an instance. */
export function parseOwnIds(text: string): readonly IdRange[] {
  return text.split("\n").flatMap((line) => {
    const [, base, count] = /^\s*(\d+)\s+\d+\s+(\d+)\s*$/.exec(line) ?? [];
    return base === undefined ? [] : [{ base: Number(base), count: Number(count) }];
  });
}

/**
 * The ids of all user namespaces, except our own, that have a process now: those of any container. Takes about 5 µs
 * for each process of the host, so it is called when a range is chosen, and not at a start.
 */
export function idsInUse(proc: string): readonly TakenRange[] {
  const seen = new Set([readlinkSync(join(proc, "self/ns/user"))]);
  const own = mapsOf(proc, "self");
  return readdirSync(proc).flatMap((pid) => {
    if (!/^\d/.test(pid)) return [];
    try {
      const namespace = namespaceOf(proc, pid);
      if (namespace !== undefined && seen.has(namespace)) return [];
      const maps = mapsOf(proc, pid);
      if (namespace !== undefined) seen.add(namespace);
      else if (maps === own) return [];
      return parseIdMap(maps).map((range) => ({ ...range, owner: `the container with process ${pid}` }));
    } catch (error) {
      // It has ended meanwhile.
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
      throw error;
    }
  });
}

/** `undefined` for a process with more rights than ours: ptrace(2), access mode checking. Its maps are not secret. */
function namespaceOf(proc: string, pid: string): string | undefined {
  try {
    return readlinkSync(join(proc, pid, "ns/user"));
  } catch (error) {
    if (["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function mapsOf(proc: string, pid: string): string {
  return ["uid_map", "gid_map"].map((map) => readFileSync(join(proc, pid, map), "latin1")).join("");
}
