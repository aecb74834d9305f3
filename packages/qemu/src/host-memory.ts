import { readFileSync } from "node:fs";

/** The memory of this host and its swap space together, in bytes. */
export function readHostMemory(): number {
  return parseMeminfo(readFileSync("/proc/meminfo", "latin1"));
}

/** Exported for its tests. proc_meminfo(5): `kB` are KiB there. */
export function parseMeminfo(text: string): number {
  const kibibytes = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+) kB$`, "m").exec(text)?.[1] ?? 0);
  return (kibibytes("MemTotal") + kibibytes("SwapTotal")) * 1024;
}
