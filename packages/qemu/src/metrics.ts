import type { AgentClient } from "@pileus/agent";
import { type Abortable, ConnectionError, type InstanceMetrics, isInstanceError } from "@pileus/core";
import {
  type InstanceContext,
  isSameStart,
  type ProcessIdentity,
  parseProcessStat,
  readIfThere,
  readTraffic,
} from "@pileus/core/driver";
import { RUNTIME_DISK } from "./machine.ts";
import type { QmpClient } from "./qmp/index.ts";

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
  if (stat === undefined || !isSameStart(stat.startTime, identity.startTime)) return undefined;
  return { cpuSeconds: stat.cpuTicks / TICKS, residentBytes: stat.residentPages * PAGE };
}

/**
 * Processor time and traffic are what the machine used on this host. Memory and processes are as the guest counts them,
 * if it does.
 *
 * @throws {ConnectionError} when the machine has ended.
 */
export async function machineMetrics(
  { name, nics }: Pick<InstanceContext, "name" | "nics">,
  identity: ProcessIdentity,
  ofGuest: () => Promise<InstanceMetrics | undefined>,
  ofDisks: () => Promise<InstanceMetrics["disk"]>,
  memory: () => Promise<number>,
): Promise<InstanceMetrics> {
  const host = await readProcessUsage(identity);
  if (host === undefined) throw new ConnectionError(`the machine of "${name}"`, "it has ended");
  const guest = await ofGuest();
  const disk = await ofDisks();
  const limit = await memory();
  return {
    cpu: { seconds: host.cpuSeconds },
    memory: {
      bytes: guest?.memory.bytes ?? Math.min(host.residentBytes, limit),
      limitBytes: limit,
      swapBytes: guest?.memory.swapBytes,
      oomKills: guest?.memory.oomKills,
    },
    processes: guest?.processes,
    network: readTraffic(nics),
    disk,
  };
}

/** What the guest has read and written, by the names of its disks; `undefined` without a monitor that answers. */
export async function diskMetrics(qmp: QmpClient | undefined, options: Abortable): Promise<InstanceMetrics["disk"]> {
  try {
    const all = await qmp?.execute("query-blockstats", {}, options);
    const disks = all?.flatMap(({ "node-name": name, stats }) =>
      name === undefined || name === RUNTIME_DISK
        ? []
        : [[name, { read: stats.rd_bytes, written: stats.wr_bytes }] as const],
    );
    return disks && Object.fromEntries(disks);
  } catch (error) {
    if (isInstanceError(error, "ERR_CONNECTION")) return undefined;
    throw error;
  }
}

/** `undefined` without an agent, and of a guest that cannot tell: it unmounts /proc as it goes down. */
export async function guestMetrics(
  agent: AgentClient | undefined,
  options: Abortable,
): Promise<InstanceMetrics | undefined> {
  try {
    return await agent?.metrics(options);
  } catch (error) {
    if (isInstanceError(error, "ERR_AGENT")) return undefined;
    throw error;
  }
}
