import type { Readable } from "node:stream";
import { LOG_STREAMS, type LogStream } from "../../contract/capability.ts";
import { UnsupportedError } from "../../errors/all.ts";
import { type LogQuery, openKeeperLog, openPlainLog } from "../../keeper/log/open.ts";
import { syncLog } from "../../keeper/sync-log.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/** Opens the log of an instance whose driver has the capability. @throws {UnsupportedError} */
export async function openLog(
  instance: ManagedInstance,
  query: LogQuery & { stream?: LogStream | undefined },
): Promise<Readable> {
  const { driver, backend } = instance.driver;
  const { layout } = instance.engine;
  const { name, key } = instance;
  const log = layout.log(key);
  const plain = backend.logs?.({ name, folder: layout.instance(key), run: layout.run(key), log });
  const streams = plain === undefined ? LOG_STREAMS[driver.kind] : (Object.keys(plain) as LogStream[]);
  const { stream } = query;
  if (stream !== undefined && !streams.includes(stream)) throw unsupported(stream, NO_STREAM[driver.kind]);
  if (plain === undefined) {
    await syncLog(layout.run(key), query);
    // The log of a machine has what QEMU itself says, too.
    const only = streams.length === 1 ? streams[0] : undefined;
    return openKeeperLog(log, { ...query, stream: stream ?? only });
  }
  const without = `the driver "${driver.name}" keeps what its instances print without times`;
  if (query.since !== undefined) throw unsupported("since", without);
  if (query.timestamps) throw unsupported("timestamps", without);
  if (stream === undefined && streams.length > 1)
    throw unsupported("all streams at once", `${without}: name one of ${streams.join(", ")}`);
  const path = plain[stream ?? (streams[0] as LogStream)];
  if (path === undefined) throw unsupported("any stream", `the driver "${driver.name}" keeps no logs`);
  return openPlainLog(path, query);
}

const A_SYSTEM = "a system prints to its console only";
const NO_STREAM = {
  "system-container": A_SYSTEM,
  "application-container": "the program's output is in stdout and stderr",
  "virtual-machine": A_SYSTEM,
} as const;

function unsupported(part: string, reason: string): UnsupportedError {
  return new UnsupportedError({ capability: `logs:${part}`, reason });
}
