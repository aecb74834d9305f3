import { ConfigError } from "../../contract/errors.ts";
import type { ExecOptions, PipeProcess, TtyExecOptions, TtyProcess } from "../../contract/process.ts";
import type { ExecRequest } from "../../driver/backend.ts";
import { refusedArguments } from "../../model/arguments.ts";
import { ExecSchema } from "../../model/exec.ts";
import { parse } from "../../model/parse.ts";
import { implemented } from "../implemented.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { endProcess, pipeProcess, type StartedProcess, ttyProcess } from "../process.ts";

/** Starts a program inside; the terminal, if asked for, decides what is returned. */
export async function exec(
  instance: ManagedInstance,
  argv: readonly string[],
  options: ExecOptions & { readonly tty?: TtyExecOptions["tty"] | undefined } = {},
): Promise<PipeProcess | TtyProcess> {
  const asked = parse(ExecSchema, { ...options, argv }, "exec");
  options.signal?.throwIfAborted();
  const { record, run } = await instance.use("exec in", { ...options, capability: "exec" });
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
    standsStill: () => isFrozen(instance),
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
