import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { IdRange } from "../terms/id-range.ts";
import type { TakenRange } from "./ranges.ts";

/** The text of /proc/PID/uid_map: ids inside the user namespace, and those outside, as the reader of the file sees them. */
export function parseIdMap(text: string): readonly { readonly inside: IdRange; readonly outside: IdRange }[] {
  return text.split("\n").flatMap((line) => {
    const [, inside, outside, size] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line) ?? [];
    const count = Number(size);
    return inside === undefined
      ? []
      : [{ inside: { base: Number(inside), count }, outside: { base: Number(outside), count } }];
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
      return parseIdMap(maps).map(({ outside }) => ({ ...outside, owner: `the container with process ${pid}` }));
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
