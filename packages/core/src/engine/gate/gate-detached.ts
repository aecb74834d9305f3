import type { BackendDetached, BackendDetachedProgram } from "../../contract/backend-detached.ts";
import type { Abortable } from "../../flow/abortable.ts";
import * as answers from "./answers.ts";
import { ask, driverFailure, type Question, type Target } from "./ask.ts";

/** Wraps the detached programs of a run in checks. */
export function gateDetached(target: Target, over: AbortSignal, detached: BackendDetached): BackendDetached {
  const question = <T>(step: string, { signal }: Abortable, isAnswer: Question<T>["isAnswer"]) => ({
    target,
    step: `detached.${step}`,
    signal,
    over,
    isAnswer,
    discard: () => undefined,
  });
  return {
    // An abort must leave no program: the driver has the time to see to that.
    start: (request, options) =>
      ask({ ...question("start", options, answers.isDetachedInfo), changes: true }, (limited) =>
        detached.start(request, limited),
      ),
    list: (options) => ask(question("list", options, answers.isDetachedList), (limited) => detached.list(limited)),
    open: async (id, options) => {
      const discard = (late: BackendDetachedProgram | undefined) => late?.release();
      const found = await ask({ ...question("open", options, answers.isDetachedProgramOrNone), discard }, (limited) =>
        detached.open(id, limited),
      );
      return found && gateProgram(target, found);
    },
  };
}

function gateProgram(target: Target, program: BackendDetachedProgram): BackendDetachedProgram {
  const exit = program.exit.catch((error: unknown) => {
    throw driverFailure(target, "detached.exit", error);
  });
  exit.catch(() => undefined);
  return {
    info: program.info,
    exit,
    // The signal is for the reading too, which goes on after the answer.
    output: (options) =>
      ask({ target, step: "detached.output", signal: options.signal, isAnswer: answers.isAsyncIterable }, () =>
        program.output(options),
      ),
    kill: (signal) =>
      ask({ target, step: "kill of a program", isAnswer: answers.isAnything }, () => program.kill(signal)),
    release: () => program.release(),
  };
}
