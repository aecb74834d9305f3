import type { Readable } from "node:stream";
import { LOG_STREAMS } from "../contract/capability.ts";
import { withDeadline } from "../driver/deadline.ts";
import { instanceContext } from "./context.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";

/** How much of a log an error quotes. */
const QUOTED = { lines: 10, characters: 1000, bytes: 4096 } as const;

/** Milliseconds to read the log. An error must come soon; it is complete without the quotation too. */
const LOG_TIMEOUT = 500;

/**
 * The last lines that the instance printed, for an error: of its errors, else of its output. `undefined` when there are
 * none, or when they cannot be read soon.
 */
export async function lastOutput(instance: ManagedInstance, record: InstanceRecord): Promise<string | undefined> {
  const { engine, name } = instance;
  const limits = { action: `a look at the log of "${name}"`, timeout: LOG_TIMEOUT, signal: engine.closing };
  try {
    const { driver, backend } = instance.driver;
    if (!instance.hasCapability("logs")) return undefined;
    return await withDeadline(limits, async (signal) => {
      const context = await instanceContext(engine, record, { signal });
      for (const stream of [...LOG_STREAMS[driver.kind]].reverse()) {
        const log = await backend.logs?.(context, stream, { signal });
        const printed = log === undefined ? "" : (await readEnd(log)).trim();
        if (printed !== "") return printed.split(/\s*\n/).slice(-QUOTED.lines).join("\n").slice(-QUOTED.characters);
      }
      return undefined;
    });
  } catch {
    // A log that cannot be read is not the failure to report.
    return undefined;
  }
}

async function readEnd(log: Readable): Promise<string> {
  let end = Buffer.alloc(0);
  for await (const chunk of log) end = Buffer.concat([end, Buffer.from(chunk)]).subarray(-QUOTED.bytes);
  return end.toString();
}
