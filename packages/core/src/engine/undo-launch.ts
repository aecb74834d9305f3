import { joinFailures } from "../driver/cleanup.ts";
import { endByForce } from "./adopt.ts";
import { instanceContext } from "./context.ts";
import { STOPPED } from "./exit.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import type { AnyRunning } from "./run.ts";

/**
 * Undoes a launch that failed or was aborted: kills what it started, lets the driver clear what it left, and records
 * the instance as stopped. If that fails, the record still says `starting`, and the next verb undoes the launch.
 *
 * @returns the error to throw: `cause`, joined with the failures of undoing.
 */
export async function undoLaunch(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning | undefined,
  cause: unknown,
): Promise<unknown> {
  try {
    const left = running ?? (await adoptLeft(instance, record));
    if (left !== undefined) await endByForce(left);
    await instance.change(record, STOPPED);
    return cause;
  } catch (error) {
    return joinFailures([cause, error]);
  }
}

async function adoptLeft(instance: ManagedInstance, record: InstanceRecord): Promise<AnyRunning | undefined> {
  return instance.driver.backend.adopt(await instanceContext(instance.engine, record, {}), {});
}
