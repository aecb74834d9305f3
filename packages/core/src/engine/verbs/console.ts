import { z } from "zod";
import type { ConsoleOptions, InstanceConsole } from "../../contract/console.ts";
import { destroyOnAbort } from "../../files/destroy-on-abort.ts";
import { SignalSchema } from "../../model/call-options.ts";
import { TerminalSizeSchema } from "../../model/exec.ts";
import { CONSOLE_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { whyFailed, withRun } from "../adopt/with-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { OpenConsole } from "../program/console.ts";
import { implemented } from "../run/implemented.ts";

const ConsoleOptionsSchema = z.strictObject({
  size: TerminalSizeSchema.optional(),
  take: z.boolean().default(false),
  signal: SignalSchema.optional(),
});

/** Opens the console of a running instance. */
export function openConsole(instance: ManagedInstance, options: ConsoleOptions = {}): Promise<InstanceConsole> {
  const { size, take } = parse(ConsoleOptionsSchema, options, "options of console", CONSOLE_HABITS);
  const { signal } = options;
  const use = { signal, capability: "console", expected: ["running", "frozen"] } as const;
  return withRun(instance, "open the console of", use, async ({ run }) => {
    const { running, over } = run;
    const opened = await implemented(running.console, "console").call(running, { signal });
    const failed = (verb: string, cause: unknown) =>
      // It rejects with what says more: that the instance was deleted.
      whyFailed(instance, verb, run, { expected: use.expected }, cause).catch((reason: unknown) => reason);
    const console = new OpenConsole(instance.name, opened, { over, failed });
    // A reader sees the failure; an owner that does not read must not crash by it.
    console.on("error", () => undefined);
    destroyOnAbort(console, signal);
    try {
      if (size !== undefined) await console.resize(size, { signal });
      if (take) await console.claim({ take, signal });
      return console;
    } catch (error) {
      console.destroy();
      throw error;
    }
  });
}
