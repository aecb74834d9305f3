import type { ExitStatus } from "@pileus/core";
import { exitOfLog } from "./monitor-log.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { readMonitorLog } from "./read-monitor-log.ts";

/**
 * How the last run of a container ended, from its monitor's log, so that no process of ours has to be there at the end.
 * `undefined` when it never ran, or when the monitor died before it logged the end.
 */
export async function lastExit(spec: PlacedSpec): Promise<ExitStatus | undefined> {
  return exitOfLog(readMonitorLog(containerPaths(spec).log));
}
