import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { type Abortable, type LogStream, UnsupportedError } from "@pileus/core";
import type { ContainerSpec } from "./container-spec.ts";

/** What PID 1 printed since the files of `spec.output` were last emptied, up to now. Works running and stopped. */
export async function containerLog(
  spec: Pick<ContainerSpec, "output">,
  stream: LogStream,
  options: Abortable = {},
): Promise<Readable> {
  const file = fileOf(spec.output, stream);
  const size = await stat(file).then(
    (found) => found.size,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return 0;
      throw error;
    },
  );
  options.signal?.throwIfAborted();
  // Cut at what was there: a busy writer must not make it endless.
  return size === 0 ? Readable.from([]) : createReadStream(file, { end: size - 1, signal: options.signal });
}

function fileOf(output: ContainerSpec["output"], stream: LogStream): string {
  if (output.kind === "console" && stream === "console") return output.file;
  if (output.kind === "files" && stream !== "console") return output[stream];
  const reason =
    output.kind === "console"
      ? "a system's output goes to its console"
      : "the program's output is in stdout and stderr";
  throw new UnsupportedError({ capability: `logs:${stream}`, reason });
}
