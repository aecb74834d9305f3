import { join } from "node:path";
import { boundLog, type InstanceContext } from "@pileus/core/driver";

/**
 * Keeps the logs of a machine that an earlier release started from filling the disk, until the returned function is
 * called: its QEMU writes them by itself. One of this release has none of these files.
 */
export function boundFormerLogs({ log }: Pick<InstanceContext, "log">): () => void {
  const leave = ["console.log", "qemu.log"].map((name) => boundLog(join(log, name)));
  return () => {
    for (const each of leave) each();
  };
}
