import type { Readable } from "node:stream";
import type { LogOptions } from "../../contract/capability.ts";
import { abortable, unlimitedController } from "../../flow/deadline.ts";
import { LOG_HABITS } from "../../model/habits.ts";
import { LogOptionsSchema } from "../../model/log-options.ts";
import { parse } from "../../model/parse.ts";
import { currentRun } from "../adopt/current-run.ts";
import { requireCapability } from "../instance/capability.ts";
import { openLog } from "../instance/log.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";

/** What the instance printed since its last start, whether it runs or not, and with `follow` what it prints. */
export async function logs(instance: ManagedInstance, options: LogOptions = {}): Promise<Readable> {
  options.signal?.throwIfAborted();
  const { follow, since, ...rest } = parse(LogOptionsSchema, options, "options of logs", LOG_HABITS);
  const record = instance.record.read("read the logs of");
  requireCapability(instance, "logs");
  const over = follow ? await endOfRun(instance, record, options.signal) : undefined;
  const moment = typeof since === "number" ? Date.now() - since : since?.getTime();
  return openLog(instance, { ...rest, since: moment, over });
}

/** Aborts when nothing more is printed: at the recorded end of the current run, or now if there is none. */
async function endOfRun(
  instance: ManagedInstance,
  record: InstanceRecord,
  signal: AbortSignal | undefined,
): Promise<AbortSignal> {
  const controller = unlimitedController();
  const held = instance.held.run;
  const isCurrent = held !== undefined && held.id === record.run && held.end === undefined;
  const run = isCurrent ? held : await abortable(runUnderLock(instance, signal), signal);
  const end = () => controller.abort();
  if (run === undefined) end();
  else run.settled.then(end, end);
  return controller.signal;
}

function runUnderLock(instance: ManagedInstance, signal: AbortSignal | undefined) {
  return instance.lock.exclusively("follow the logs of", { signal }, (record, turn) =>
    currentRun(instance, record, turn),
  );
}
