import { type ProcessIdentity, parseProcessStat, readIfThere } from "@pileus/core/driver";

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
  const stat = parseProcessStat((await readIfThere(`/proc/${identity.pid}/stat`)) ?? "");
  if (stat?.startTime !== identity.startTime) return undefined;
  return { cpuSeconds: stat.cpuTicks / TICKS, residentBytes: stat.residentPages * PAGE };
}
