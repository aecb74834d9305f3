import type { ExitStatus } from "@pileus/core";
import { readKeeperExit } from "@pileus/core/driver";
import type { PlacedSpec } from "./paths.ts";

/**
 * How the last run of a container ended, as its keeper or its starter recorded it, so that no process of ours has to be
 * there at the end. `undefined` when it never ran, or when both were killed before.
 */
export async function lastExit(spec: PlacedSpec): Promise<ExitStatus | undefined> {
  const exit = await readKeeperExit(spec.run);
  return exit?.failed ? undefined : containerStatus(exit?.status);
}

/** reboot(2): in a pid namespace, a halt shows as the end of its init by SIGINT. */
export function containerStatus(status: ExitStatus | undefined): ExitStatus | undefined {
  return status?.kind === "signaled" && status.signal === "SIGINT" ? { kind: "exited", code: 0 } : status;
}
