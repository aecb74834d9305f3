import type { z } from "zod";
import type { ExecRequest } from "../../contract/backend.ts";
import type { PipeExecOptions, PipeProcess, TtyExecOptions, TtyProcess } from "../../contract/process.ts";
import { ConfigError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { Deadline, linkSignals } from "../../flow/deadline.ts";
import { refusedArguments } from "../../model/arguments.ts";
import { ExecSchema } from "../../model/exec.ts";
import { PROGRAM_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import type { UsedRun } from "../adopt/use-run.ts";
import { withRun } from "../adopt/with-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { endProcess, ownProcess, type StartedProcess } from "../program/process.ts";
import type { InstanceRecord } from "../record/record.ts";
import { implemented } from "../run/implemented.ts";

/** A checked request to start a program. */
export type Program = Pick<z.output<typeof ExecSchema>, "argv" | "env" | "cwd" | "user" | "tty">;

const RUN = "it is an option of run()";
const HINTS = {
  ...PROGRAM_HABITS,
  stdin: "write to the stdin of the process that exec() returns, or pass input to run()",
  input: `${RUN}; after exec(), write to the stdin of the process`,
  check: RUN,
  encoding: RUN,
  maxOutput: RUN,
};

/**
 * Starts a program inside. The result is on a terminal if `tty` is given, else on pipes. `options.signal` ends the
 * call; `owner`, the caller's own signal, stays in effect after the call has returned.
 */
export async function exec(
  instance: ManagedInstance,
  argv: readonly string[],
  options: PipeExecOptions | TtyExecOptions = {},
  owner: AbortSignal | undefined = undefined,
): Promise<PipeProcess | TtyProcess> {
  const asked = parse(ExecSchema, { ...options, argv }, "exec", HINTS);
  const action = `${asked.argv[0]} in "${instance.name}"`;
  const lifetime = new Deadline({ action, timeout: asked.timeout, signal: owner });
  const call = linkSignals(options.signal, lifetime.signal);
  try {
    return await withProgram(instance, asked, { signal: call.signal }, async (started) =>
      ownProcess(started, lifetime, asked),
    );
  } catch (error) {
    lifetime[Symbol.dispose]();
    call.signal.throwIfAborted();
    throw error;
  } finally {
    call[Symbol.dispose]();
  }
}

/** Starts a program inside and passes it to `work`. @throws {StateError} when the instance ends before both are done */
export async function withProgram<T>(
  instance: ManagedInstance,
  program: Program,
  options: Abortable,
  work: (started: StartedProcess) => Promise<T>,
): Promise<T> {
  const use = { signal: options.signal, capability: "exec" } as const;
  return withRun(instance, "exec in", use, async (used) => work(await begin(instance, used, program, options)));
}

/** What the driver is asked for. @throws {ConfigError} when the arguments are longer than the kernel passes on */
export function execRequest(record: InstanceRecord, { argv, cwd, user, tty, ...program }: Program): ExecRequest {
  const env = { ...record.config.env, ...program.env };
  const refused = refusedArguments(argv, env);
  if (refused.length > 0) throw new ConfigError("exec", refused);
  return { argv, env, cwd, user, tty };
}

async function begin(
  instance: ManagedInstance,
  { record, run }: UsedRun,
  program: Program,
  options: Abortable,
): Promise<StartedProcess> {
  const request = execRequest(record, program);
  const process = await implemented(run.running.exec, "exec").call(run.running, request, { signal: options.signal });
  let wasKilled = false;
  const started: StartedProcess = {
    streams: process.streams,
    exit: process.exit,
    kill: (signal) => {
      wasKilled ||= signal === "SIGKILL";
      return process.kill(signal);
    },
    resize: (size) => process.resize(size),
    ranOutOfMemory: async () => (await process.ranOutOfMemory?.()) ?? false,
    release: () => process.release?.(),
    isFrozen: () => isFrozen(instance),
    get wasKilled() {
      return wasKilled;
    },
  };
  if (options.signal?.aborted) {
    // The abort came too late for the driver to notice.
    await endProcess(started);
    throw options.signal.reason;
  }
  return started;
}

function isFrozen(instance: ManagedInstance): boolean {
  const reading = instance.engine.records.read(instance.key);
  return reading.kind === "record" && ["freezing", "frozen"].includes(reading.record.state);
}
