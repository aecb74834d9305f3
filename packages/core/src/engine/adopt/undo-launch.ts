import { joinFailures } from "../../flow/cleanup.ts";
import { instanceContext } from "../instance/context.ts";
import { STOPPED } from "../instance/instance-record.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { AnyRunning } from "../run/run.ts";
import { endByForce } from "./adopt.ts";

/**
 * Undoes a launch that failed or was aborted: kills what it started, lets the driver clear what it left, and records
 * the instance as stopped. If that fails, the record still says `starting`, and the next verb undoes the launch; so
 * does a kill or a deletion that has overtaken the start.
 *
 * @returns the error to throw: `cause`, joined with the failures of undoing.
 */
export async function undoLaunch(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning | undefined,
  { cause, overtaken }: { readonly cause: unknown; readonly overtaken: AbortSignal },
): Promise<unknown> {
  if (overtaken.aborted) {
    running?.kill().catch(() => undefined);
    return cause;
  }
  try {
    const left = running ?? (await adoptLeft(instance, record, overtaken));
    if (left !== undefined) await endByForce(instance, left, overtaken);
    overtaken.throwIfAborted();
    await instance.record.change(record, STOPPED, { overtaken });
    return cause;
  } catch (error) {
    return joinFailures([cause, error]);
  }
}

async function adoptLeft(
  instance: ManagedInstance,
  record: InstanceRecord,
  signal: AbortSignal,
): Promise<AnyRunning | undefined> {
  return instance.driver.backend.adopt(await instanceContext(instance.engine, record, { signal }), { signal });
}
