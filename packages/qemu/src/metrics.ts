import { readFile } from "node:fs/promises";
import { type ProcessIdentity, parseProcessStat } from "@pileus/core/driver";

/** Ticks of /proc/PID/stat in a second: USER_HZ is 100 on all host architectures that this driver supports. */
const TICKS = 100;
const PAGE = 4096;

/** Processor time in seconds, resident memory in bytes. */
export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** What this process uses; `undefined` when it has ended. Never the figures of a later process with the same pid. */
export async function readProcessUsage(identity: ProcessIdentity): Promise<ProcessUsage | undefined> {
  try {
    const stat = parseProcessStat(await readFile(`/proc/${identity.pid}/stat`, "latin1"));
    if (stat?.startTime !== identity.startTime) return undefined;
    return { cpuSeconds: stat.cpuTicks / TICKS, residentBytes: stat.residentPages * PAGE };
  } catch (error) {
    // ESRCH: the process ended between open and read.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
