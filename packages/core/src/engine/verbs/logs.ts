import type { Readable } from "node:stream";
import type { Abortable } from "../../contract/abortable.ts";
import type { LogStream } from "../../contract/capability.ts";
import { UnsupportedError } from "../../contract/errors.ts";
import { LogStreamSchema } from "../../model/log-stream.ts";
import { parse } from "../../model/parse.ts";
import { instanceContext } from "../context.ts";
import type { ManagedInstance } from "../managed-instance.ts";

/** What the instance printed since its last start, whether it runs or not. */
export async function logs(instance: ManagedInstance, stream: LogStream, options: Abortable = {}): Promise<Readable> {
  options.signal?.throwIfAborted();
  parse(LogStreamSchema, stream, "log stream");
  const record = instance.read("read the logs of");
  instance.requireCapability("logs");
  const { driver, backend } = instance.driver;
  if (backend.logs === undefined)
    throw new UnsupportedError({ capability: "logs", reason: `the driver "${driver.name}" keeps no logs` });
  return backend.logs(await instanceContext(instance.engine, record, options), stream, options);
}
