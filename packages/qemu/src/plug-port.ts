import { agentDevice } from "./argv/serial.ts";
import { QmpClient, QmpCommandError } from "./qmp/index.ts";

/** How long QEMU may take, in milliseconds. It takes a few, also for those that wait for others at the same monitor. */
const TIMEOUT = 5000;

/**
 * Gives a machine the port of the agent with this number, for the rest of its run. Resolves with whether the machine has
 * it, also if another process plugged it before. The guest's agent serves it as soon as the guest's kernel has it.
 * `monitor` is one that each process holds for this alone: the others may all be taken for long.
 */
export async function plugAgentPort(monitor: string, number: number): Promise<boolean> {
  const device = agentDevice(number);
  const limits = { signal: AbortSignal.timeout(TIMEOUT) };
  const qmp = await QmpClient.connect(monitor, limits);
  try {
    await qmp.execute("device_add", device, limits);
    return true;
  } catch (error) {
    if (!(error instanceof QmpCommandError)) throw error;
    const devices = await qmp.execute("qom-list", { path: "/machine/peripheral" }, limits);
    return devices.some(({ name }) => name === device.id);
  } finally {
    await qmp.close();
  }
}
