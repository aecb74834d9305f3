import { readKeeperExit } from "../../keeper/exit-record.ts";
import type { ExitStatus, InstanceExit } from "../../terms/state.ts";
import type { InstanceRecord } from "../record/record.ts";

/** Why, how and when a run ended, as far as the engine and the driver know. */
export type KnownExit = Pick<InstanceExit, "reason" | "status" | "at">;

/** The whole record of the end of a run, with what its keeper has recorded, if it had one. `run` is the folder of the run. */
export async function wholeExit(run: string, record: InstanceRecord, known: KnownExit): Promise<InstanceExit> {
  const { reason, status, at } = known;
  // A keeper's file that cannot be read must not keep the end from being recorded.
  const kept = await readKeeperExit(run).catch(() => undefined);
  // The record's is of the end of the start, when a short program may have ended already.
  const startedAt = kept?.startedAt ?? record.startedAt;
  const ended = kept?.endedAt ?? (reason === "lost" ? undefined : at);
  // A clock may be set back.
  const finishedAt = ended === undefined ? undefined : Math.max(ended, startedAt ?? ended);
  const { oomKills, cpuSeconds, memoryPeakBytes } = kept ?? {};
  const wasKilled = reason !== "requested" && status !== undefined && endedBySigkill(status);
  const usage = {
    ...(cpuSeconds === undefined ? {} : { cpuSeconds }),
    ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }),
  };
  return {
    reason,
    ...(status === undefined ? {} : { status }),
    ...(oomKills === undefined ? {} : { oom: wasKilled && oomKills > 0 }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(Object.keys(usage).length === 0 ? {} : { usage }),
    at,
  };
}

/** An init ends with 128 plus the signal that has killed its program, as a shell does. */
function endedBySigkill(status: ExitStatus): boolean {
  return status.kind === "signaled" ? status.signal === "SIGKILL" : status.code === 137;
}
