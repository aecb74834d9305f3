import { join } from "node:path";
import { identifyProcess, isSameStart, type ProcessIdentity } from "../system/process-identity.ts";
import { readIfThere } from "../system/read-if-there.ts";
import { numbers } from "./exit-record.ts";
import type { HeldRun } from "./order.ts";

/** What the keeper of this run recorded of its holder; `undefined` when nothing was started. */
export async function readHeldRun(run: string): Promise<HeldRun | undefined> {
  const [holder, boots, program] = numbers(await readIfThere(join(run, "holder")));
  return holder === undefined || boots === undefined || program === undefined ? undefined : { holder, boots, program };
}

/**
 * The keeper of this run as it recorded itself, if it lives, whether it answers or not. `undefined` for one of an earlier
 * release, which recorded nothing.
 */
export async function livingKeeper(run: string): Promise<ProcessIdentity | undefined> {
  const [, , , pid, startTime] = numbers(await readIfThere(join(run, "holder")));
  if (pid === undefined || startTime === undefined) return undefined;
  const found = await identifyProcess(pid);
  return found !== undefined && isSameStart(found.startTime, startTime) ? found : undefined;
}
