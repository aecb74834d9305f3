import { Readable } from "node:stream";
import { type Abortable, type LogStream, UnsupportedError } from "@pileus/core";
import { boundLog, readLogFile } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";

/**
 * The output of PID 1 since the files of `spec.output` were last removed or emptied, up to now; of a long output, the
 * end. Works for running and stopped containers.
 */
export async function containerLog(
  { output }: Pick<ContainerSpec, "output">,
  stream: LogStream,
  options: Abortable = {},
): Promise<Readable> {
  if (output.kind === "files" && stream !== "console") return readLogFile(output[stream], options);
  if (output.kind === "console" && stream === "console") return readFiles(consoleFiles(output.file), options);
  const reason =
    output.kind === "console"
      ? "the output of a system goes to its console"
      : "the program's output is in stdout and stderr";
  throw new UnsupportedError({ capability: `logs:${stream}`, reason });
}

/** The files of a console, the older first: liblxc begins a new one at a size (terminal.c, lxc_terminal_rotate_log_file). */
export function consoleFiles(file: string): readonly [older: string, current: string] {
  return [`${file}.1`, file];
}

/** Bounds the files that a program writes by itself, until the returned function is called. */
export function boundOutput({ output }: Pick<ContainerSpec, "output">): () => void {
  if (output.kind === "console") return () => undefined;
  const leave = [output.stdout, output.stderr].map((file) => boundLog(file));
  return () => {
    for (const stop of leave) stop();
  };
}

/** One after the other, all as they are now. */
async function readFiles(files: readonly string[], options: Abortable): Promise<Readable> {
  const parts: Readable[] = [];
  // An abort ends those, too, that nobody reads yet.
  for (const [index, file] of files.entries()) {
    // The older file may continue one that is gone; the current one continues the older, which is read whole.
    const part = await readLogFile(file, { ...options, continues: index === 0 });
    parts.push(part.on("error", () => undefined));
  }
  const whole = Readable.from(
    (async function* () {
      for (const part of parts) yield* part;
    })(),
    { objectMode: false },
  );
  return whole.once("close", () => {
    for (const part of parts) part.destroy();
  });
}
