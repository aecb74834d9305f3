import type { z } from "zod";
import type { Abortable } from "../../contract/abortable.ts";
import { ConfigError } from "../../contract/errors.ts";
import type { ExecOptions, PipeProcess, TtyExecOptions, TtyProcess } from "../../contract/process.ts";
import type { ExecRequest } from "../../driver/backend.ts";
import { refusedArguments } from "../../model/arguments.ts";
import { ExecSchema } from "../../model/exec.ts";
import { parse } from "../../model/parse.ts";
import { implemented } from "../implemented.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { endProcess, pipeProcess, type StartedProcess, ttyProcess } from "../process.ts";
import { type UsedRun, withRun } from "../with-run.ts";

type AnyExecOptions = ExecOptions & { readonly tty?: TtyExecOptions["tty"] | undefined };

/** Starts a program inside; the terminal, if asked for, decides what is returned. */
export function exec(
  instance: ManagedInstance,
  argv: readonly string[],
  options: AnyExecOptions = {},
): Promise<PipeProcess | TtyProcess> {
  return withProgram(instance, argv, options, async (process) => process);
}

/** Starts a program inside for `work`. @throws {StateError} when the instance ends before either is done */
export async function withProgram<T>(
  instance: ManagedInstance,
  argv: readonly string[],
  options: AnyExecOptions,
  work: (process: PipeProcess | TtyProcess) => Promise<T>,
): Promise<T> {
  const asked = parse(ExecSchema, { ...options, argv }, "exec");
  const use = { signal: options.signal, capability: "exec" } as const;
  return withRun(instance, "exec in", use, async (used) => work(await begin(instance, used, asked, options)));
}

async function begin(
  instance: ManagedInstance,
  { record, run }: UsedRun,
  asked: z.output<typeof ExecSchema>,
  options: Abortable,
): Promise<PipeProcess | TtyProcess> {
  const env = { ...record.config.env, ...asked.env };
  const refused = refusedArguments(asked.argv, env);
  if (refused.length > 0) throw new ConfigError("exec", refused);
  const request: ExecRequest = {
    argv: asked.argv,
    env,
    cwd: asked.cwd,
    user: asked.user,
    tty: asked.tty,
  };
  const started = await implemented(run.running.exec, "exec").call(run.running, request, { signal: options.signal });
  const process: StartedProcess = {
    streams: started.streams,
    exit: started.exit,
    kill: (signal) => started.kill(signal),
    resize: (size) => started.resize(size),
    isFrozen: () => isFrozen(instance),
  };
  if (options.signal?.aborted) {
    // Too late for the driver to have noticed.
    await endProcess(process);
    throw options.signal.reason;
  }
  const { streams } = process;
  return streams.kind === "tty" ? ttyProcess(process, streams) : pipeProcess(process, streams);
}

function isFrozen(instance: ManagedInstance): boolean {
  const reading = instance.engine.records.read(instance.name);
  return reading.kind === "record" && ["freezing", "frozen"].includes(reading.record.state);
}
