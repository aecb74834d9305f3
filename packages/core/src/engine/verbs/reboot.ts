import type { Abortable, Timed } from "../../flow/abortable.ts";
import { abortable, linkSignals } from "../../flow/deadline.ts";
import { parse } from "../../model/parse.ts";
import { ReadyOptionsSchema } from "../../model/verb-options.ts";
import { withRun } from "../adopt/with-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { implemented } from "../run/implemented.ts";
import { explained, untilReady } from "./ready.ts";

/** Restarts the system inside, and waits until it can be used again. */
export async function reboot(instance: ManagedInstance, options: Abortable & Timed = {}): Promise<void> {
  const { timeout } = parse(ReadyOptionsSchema, options, "options of reboot");
  const limits = { action: `reboot of instance "${instance.name}"`, timeout, signal: options.signal };
  await explained(instance, limits, async (signal) => {
    await withRun(instance, "reboot", { signal, capability: "reboot" }, async ({ run: { running, over } }) => {
      using waiting = linkSignals(signal, over);
      const again = implemented(running.reboot, "reboot").call(running, { signal: waiting.signal });
      await abortable(again, waiting.signal);
    });
    await untilReady(instance, signal);
  });
}
