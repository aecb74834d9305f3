import { text } from "node:stream/consumers";
import { LOG_STREAMS } from "../contract/capability.ts";
import { StateError } from "../contract/errors.ts";
import type { InstanceState } from "../contract/state.ts";
import { withDeadline } from "../driver/deadline.ts";
import { instanceContext } from "./context.ts";
import { exitOf } from "./exit.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import type { Run } from "./run.ts";

/** How much of a log an error quotes. */
const QUOTED = { lines: 3, characters: 1000 } as const;

/** Milliseconds to read the log. An error must not be long in coming: without its quotation it is true, too. */
const PATIENCE = 500;

/** What a verb was to do that an instance which has ended cannot. */
export interface Refusal {
  readonly verb: string;
  readonly expected: readonly InstanceState[];
  /** The run that ended meanwhile, where the verb had one. Default: the last on record. */
  readonly run?: Run | undefined;
  /** What the driver said of it. */
  readonly cause?: unknown;
}

/**
 * The refusal of an instance that does not run: it says how the instance ended, and where nobody asked for the end,
 * what it printed last. @throws {StateError} when it was deleted
 */
export async function stoppedError(instance: ManagedInstance, refusal: Refusal): Promise<StateError> {
  const { verb, expected, run, cause } = refusal;
  const record = instance.read(verb);
  const exit = run === undefined ? record.exit : (run.exit ?? (await exitOf(instance, record, run)));
  const lastLines = exit === undefined || exit.reason === "requested" ? undefined : await readEnd(instance, record);
  return new StateError({ instance: instance.name, verb, state: "stopped", expected, exit, lastLines }, { cause });
}

/** The last lines of what it printed, errors rather than output. `undefined` where there are none to be had. */
async function readEnd(instance: ManagedInstance, record: InstanceRecord): Promise<string | undefined> {
  const { engine, name } = instance;
  const limits = { action: `a look at the log of "${name}"`, timeout: PATIENCE, signal: engine.closing };
  try {
    const { driver, backend } = instance.driver;
    if (!instance.hasCapability("logs")) return undefined;
    return await withDeadline(limits, async (signal) => {
      const context = await instanceContext(engine, record, { signal });
      for (const stream of [...LOG_STREAMS[driver.kind]].reverse()) {
        const log = await backend.logs?.(context, stream, { signal });
        const printed = log === undefined ? "" : (await text(log)).trim();
        if (printed !== "") return printed.split(/\s*\n/).slice(-QUOTED.lines).join("\n").slice(-QUOTED.characters);
      }
      return undefined;
    });
  } catch {
    // That a log cannot be read is not what failed.
    return undefined;
  }
}
