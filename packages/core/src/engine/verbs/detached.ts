import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { BackendDetachedProgram } from "../../contract/backend-detached.ts";
import type {
  AttachedProcess,
  AttachOptions,
  DetachedExecOptions,
  DetachedInfo,
  DetachedProcess,
} from "../../contract/detached.ts";
import { ConnectionError, NotFoundError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, linkSignals } from "../../flow/deadline.ts";
import { SignalSchema } from "../../model/call-options.ts";
import { DetachedExecSchema } from "../../model/exec.ts";
import { ATTACH_HABITS, DETACHED_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { required } from "../../model/wording.ts";
import type { ExitStatus } from "../../terms/state.ts";
import { printable } from "../../text/printable.ts";
import type { UsedRun } from "../adopt/use-run.ts";
import { withRun } from "../adopt/with-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { type DetachedVerbs, KnownProgram, ReadingSignal, ReadProgram } from "../program/detached.ts";
import { implemented } from "../run/implemented.ts";
import { execRequest } from "./exec.ts";

const AttachSchema = z.strictObject({
  offset: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).default(0),
  follow: z.boolean().default(true),
  signal: SignalSchema.optional(),
});

/** Starts a program that goes on without this process. */
export async function startDetached(
  instance: ManagedInstance,
  argv: readonly string[],
  options: DetachedExecOptions,
): Promise<DetachedProcess> {
  const { detached: _, ...asked } = parse(DetachedExecSchema, { ...options, argv }, "exec", DETACHED_HABITS);
  const { signal } = options;
  const id = randomBytes(8).toString("hex");
  const info = await withRun(instance, "exec in", { signal, capability: "detached" }, async (used) => {
    const request = { ...execRequest(used.record, { ...asked, tty: undefined }), id };
    return programsOf(used).start(request, { signal });
  });
  return new KnownProgram(info, verbsOf(instance));
}

/** The detached programs on record. */
export function processes(instance: ManagedInstance, { signal }: Abortable): Promise<readonly DetachedInfo[]> {
  const use = { signal, ...RUNNING };
  return withRun(instance, "list the programs of", use, async (used) => programsOf(used).list({ signal }));
}

/**
 * Reads the output of a detached program. `options.signal` ends the call; `owner`, the caller's own signal, ends the
 * reading after that.
 */
export async function attach(
  instance: ManagedInstance,
  id: string,
  options: AttachOptions = {},
  owner: AbortSignal | undefined = options.signal,
): Promise<AttachedProcess> {
  const known = parse(z.string(required("give the id of the program")), id, "id of the program");
  const { offset, follow } = parse(AttachSchema, options, "options of attach", ATTACH_HABITS);
  const reading = new ReadingSignal(owner, instance.engine.closing);
  const letGo = reading.hold();
  try {
    return await withProgram(instance, known, "attach to a program of", options, async (program) => {
      using call = linkSignals(options.signal, reading.signal);
      const output = await abortable(program.output({ offset, follow, signal: reading.signal }), call.signal);
      const exit = withRun(instance, "wait for a program of", RUNNING, () => exitOf(instance, program));
      return new ReadProgram(program, { output, exit, reading, letGo, verbs: verbsOf(instance) });
    });
  } catch (error) {
    letGo();
    throw error;
  }
}

const RUNNING = { capability: "detached", expected: ["running", "frozen"] } as const;

function programsOf({ run: { running } }: UsedRun) {
  return implemented(running.detached, "detached");
}

/** Does `work` with a program on record, which is released when that fails. @throws {NotFoundError} */
function withProgram<T>(
  instance: ManagedInstance,
  id: string,
  verb: string,
  { signal }: Abortable,
  work: (program: BackendDetachedProgram) => Promise<T>,
): Promise<T> {
  return withRun(instance, verb, { signal, ...RUNNING }, async (used) => {
    const program = await programsOf(used).open(id, { signal });
    if (program === undefined) throw notFound(instance, id);
    try {
      return await work(program);
    } catch (error) {
      program.release();
      throw error;
    }
  });
}

function notFound(instance: ManagedInstance, id: string): NotFoundError {
  const hint = `processes() lists those on record of instance "${instance.name}"; each is forgotten an hour after its end`;
  return new NotFoundError("process", printable(id, 200), { hint });
}

/** @throws {ConnectionError} when nobody saw how it ended */
async function exitOf(instance: ManagedInstance, program: BackendDetachedProgram): Promise<ExitStatus> {
  const status = await program.exit;
  if (status !== undefined) return status;
  const why = "nobody saw how it ended: the system inside was restarted, or something inside killed what served it";
  throw new ConnectionError(`program ${program.info.id} in instance "${instance.name}"`, why);
}

function verbsOf(instance: ManagedInstance): DetachedVerbs {
  return {
    kill: (id, signal, options) =>
      whileOpen(instance, options, async (linked) => {
        try {
          await withProgram(instance, id, "signal a program of", linked, async (program) => {
            await program.kill(signal);
            program.release();
          });
        } catch (error) {
          // Then it has ended long ago.
          if (!(error instanceof NotFoundError) || error.kind !== "process") throw error;
        }
      }),
    wait: (id, options) =>
      whileOpen(instance, options, (linked) =>
        withProgram(instance, id, "wait for a program of", linked, async (program) => {
          const status = await abortable(exitOf(instance, program), linked.signal);
          program.release();
          return status;
        }),
      ),
    attach: (id, options) => attach(instance, id, options),
  };
}

/** Ends a call of a program's handle with its signal, and with the host. */
async function whileOpen<T>(
  { engine }: ManagedInstance,
  options: Abortable,
  call: (linked: { readonly signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  engine.closing.throwIfAborted();
  options.signal?.throwIfAborted();
  using linked = linkSignals(options.signal, engine.closing);
  return await abortable(call({ signal: linked.signal }), linked.signal);
}
