import type { ExecOptions, PipeProcess, TtyExecOptions, TtyProcess } from "../../contract/process.ts";
import type { ExecRequest } from "../../driver/backend.ts";
import type { BackendProcess } from "../../driver/process.ts";
import { ExecSchema } from "../../model/exec.ts";
import { parse } from "../../model/parse.ts";
import { implemented } from "../implemented.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { pipeProcess, ttyProcess } from "../process.ts";
import type { AnyRunning } from "../run.ts";

/** Starts a program inside; the terminal, if asked for, decides what is returned. */
export async function exec(
  instance: ManagedInstance,
  argv: readonly string[],
  options: ExecOptions & { readonly tty?: TtyExecOptions["tty"] | undefined } = {},
): Promise<PipeProcess | TtyProcess> {
  const asked = parse(ExecSchema, { ...options, argv }, "exec");
  options.signal?.throwIfAborted();
  const { record, run } = await instance.use("exec in", { ...options, capability: "exec" });
  const request: ExecRequest = {
    argv: asked.argv,
    env: { ...record.config.env, ...asked.env },
    cwd: asked.cwd,
    user: asked.user,
    tty: asked.tty,
  };
  const started = await startProcess(run.running, request, options.signal);
  const { streams } = started;
  return streams.kind === "tty" ? ttyProcess(started, streams) : pipeProcess(started, streams);
}

async function startProcess(
  running: AnyRunning,
  request: ExecRequest,
  signal: AbortSignal | undefined,
): Promise<BackendProcess> {
  const started = await implemented(running.exec, "exec").call(running, request, { signal });
  if (signal?.aborted) {
    // Too late for the driver to have noticed.
    await endProcess(started);
    throw signal.reason;
  }
  return started;
}

/** Kills a program inside and waits for its end. */
export async function endProcess(process: BackendProcess): Promise<void> {
  await process.kill("SIGKILL");
  await process.exit;
}
