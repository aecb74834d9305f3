import type { Abortable } from "@pileus/core";
import { withDeadline } from "@pileus/core/driver";
import { isAgentChardev } from "./argv/serial.ts";
import type { QmpClient } from "./qmp/index.ts";

/** How long a QEMU may take to say whether its guest is frozen, in milliseconds. It takes a few. */
const STATUS_TIMEOUT = 20_000;

const HANGS = 'it hangs: stop the instance with { mode: "kill" }';

/** Whether the guest of this instance is frozen. @throws {TimeoutError} when its QEMU hangs. */
export async function isPaused(instance: string, qmp: QmpClient, { signal }: Abortable): Promise<boolean> {
  const action = `asking the QEMU of "${instance}" whether it is frozen`;
  const asking = { action, timeout: STATUS_TIMEOUT, signal, hint: HANGS };
  return await withDeadline(
    asking,
    async (limited) => (await qmp.execute("query-status", {}, { signal: limited })).status === "paused",
  );
}

/** The memory that a guest has now, in bytes. @throws {TimeoutError} when its QEMU hangs. */
export async function guestMemory(instance: string, qmp: QmpClient, { signal }: Abortable): Promise<number> {
  const action = `asking the QEMU of "${instance}" how much memory it has`;
  const asking = { action, timeout: STATUS_TIMEOUT, signal, hint: HANGS };
  return await withDeadline(asking, async (limited) => {
    const summary = await qmp.execute("query-memory-size-summary", {}, { signal: limited });
    return summary["base-memory"] + (summary["plugged-memory"] ?? 0);
  });
}

/** Whether the agent in the guest has opened its ports, as QEMU sees it. */
export async function hasOpenPort(qmp: QmpClient, options: Abortable): Promise<boolean> {
  const ports = await qmp.execute("query-chardev", {}, options);
  return ports.some((port) => isAgentChardev(port.label) && port["frontend-open"]);
}
