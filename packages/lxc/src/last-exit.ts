import type { ExitStatus } from "@pileus/core";
import { exitOfLog } from "./monitor-log.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { readMonitorLog } from "./read-monitor-log.ts";

/**
 * How the last run of a container ended, once it has: told by its monitor's log, so that nobody need have been there.
 * `undefined` when it never ran, or the monitor did not live to tell.
 */
export async function lastExit(spec: PlacedSpec): Promise<ExitStatus | undefined> {
  return exitOfLog(readMonitorLog(containerPaths(spec).log));
}
