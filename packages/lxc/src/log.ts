import type { Readable } from "node:stream";
import { type Abortable, type LogStream, UnsupportedError } from "@pileus/core";
import { readLogFile } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";

/**
 * The output of PID 1 since the files of `spec.output` were last emptied, up to now. Works for running and stopped
 * containers.
 */
export async function containerLog(
  spec: Pick<ContainerSpec, "output">,
  stream: LogStream,
  options: Abortable = {},
): Promise<Readable> {
  return readLogFile(fileOf(spec.output, stream), options);
}

function fileOf(output: ContainerSpec["output"], stream: LogStream): string {
  if (output.kind === "console" && stream === "console") return output.file;
  if (output.kind === "files" && stream !== "console") return output[stream];
  const reason =
    output.kind === "console"
      ? "the output of a system goes to its console"
      : "the program's output is in stdout and stderr";
  throw new UnsupportedError({ capability: `logs:${stream}`, reason });
}
