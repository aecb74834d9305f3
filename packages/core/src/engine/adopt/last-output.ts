import type { Readable } from "node:stream";
import { LOG_STREAMS, type LogStream } from "../../contract/capability.ts";
import { withDeadline } from "../../flow/deadline.ts";
import { hasCapability } from "../instance/capability.ts";
import { openLog } from "../instance/log.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";

/** How much of a log an error quotes. */
const QUOTED = { lines: 10, characters: 1000, bytes: 4096 } as const;

/** Milliseconds to read the log. An error must come soon; it is complete without the quotation too. */
const LOG_TIMEOUT = 500;

/**
 * The last lines that the instance printed, for an error: of all its streams, in their order where the driver keeps it.
 * `undefined` when there are none, or when they cannot be read soon.
 */
export async function lastOutput(instance: ManagedInstance): Promise<string | undefined> {
  const { engine, name } = instance;
  const limits = { action: `a look at the log of "${name}"`, timeout: LOG_TIMEOUT, signal: engine.closing };
  try {
    if (!hasCapability(instance, "logs")) return undefined;
    return await withDeadline(limits, async (signal) => {
      for (const stream of streamsOf(instance)) {
        // Empty lines, which are not quoted, count as lines.
        const log = await openLog(instance, { stream, tail: QUOTED.lines * 2, signal });
        const printed = (await readEnd(log)).trim();
        if (printed !== "") return printed.split(/\s*\n/).slice(-QUOTED.lines).join("\n").slice(-QUOTED.characters);
      }
      return undefined;
    });
  } catch {
    // A log that cannot be read is not the failure to report.
    return undefined;
  }
}

/** All streams at once, or one after the other where the driver keeps no order: errors first. */
function streamsOf({ driver }: ManagedInstance): readonly (LogStream | undefined)[] {
  return driver.backend.logs === undefined ? [undefined] : [...LOG_STREAMS[driver.driver.kind]].reverse();
}

async function readEnd(log: Readable): Promise<string> {
  let end = Buffer.alloc(0);
  for await (const chunk of log) end = Buffer.concat([end, Buffer.from(chunk)]).subarray(-QUOTED.bytes);
  return end.toString();
}
