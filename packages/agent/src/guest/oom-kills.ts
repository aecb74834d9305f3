import { readFileSync } from "node:fs";

/**
 * How many processes the kernel has killed since the boot because memory ran out: `oom_kill` of proc_vmstat(5), Linux
 * 4.13.
 */
export function oomKills(proc = "/proc"): number {
  return Number(/^oom_kill (\d+)$/m.exec(readFileSync(`${proc}/vmstat`, "latin1"))?.[1] ?? 0);
}
