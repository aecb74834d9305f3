import type { Abortable } from "@pileus/core";
import type { QmpClient } from "./qmp/index.ts";

const BACK = { stop: "cont", cont: "stop" } as const;

/**
 * Stops the processors of a guest, or has them go on. A QEMU that hangs may carry out later what an abort has given up:
 * the opposite then follows, which it reads after that.
 */
export async function turnProcessors(
  monitor: QmpClient,
  command: keyof typeof BACK,
  options: Abortable,
): Promise<void> {
  try {
    await monitor.execute(command, {}, options);
  } catch (error) {
    if (options.signal?.aborted) monitor.execute(BACK[command]).catch(() => undefined);
    throw error;
  }
}
