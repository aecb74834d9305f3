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

/** Milliseconds to read the log. An error must come soon; it is complete without the quotation too. */
const PATIENCE = 500;

/** What a verb wanted of an instance that has ended. */
export interface Refusal {
  readonly verb: string;
  readonly expected: readonly InstanceState[];
  /** The run that ended meanwhile, if the verb had one. Default: the last recorded run. */
  readonly run?: Run | undefined;
  /** The driver's error. */
  readonly cause?: unknown;
}

/**
 * The error for a verb on an instance that does not run. It says how the instance ended, and quotes its last output if
 * no caller asked for the end. @throws {StateError} when it was deleted
 */
export async function stoppedError(instance: ManagedInstance, refusal: Refusal): Promise<StateError> {
  const { verb, expected, run, cause } = refusal;
  const record = instance.read(verb);
  const exit = run === undefined ? record.exit : (run.exit ?? (await exitOf(instance, record, run)));
  const lastLines = exit === undefined || exit.reason === "requested" ? undefined : await readEnd(instance, record);
  return new StateError({ instance: instance.name, verb, state: "stopped", expected, exit, lastLines }, { cause });
}

/** The last lines that the instance printed: of its errors, else of its output. `undefined` when there are none. */
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
    // A log that cannot be read is not the failure to report.
    return undefined;
  }
}
