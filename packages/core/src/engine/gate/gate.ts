import type { Backend, InstanceContext, LogContext } from "../../contract/backend.ts";
import type { BackendProcess } from "../../contract/backend-process.ts";
import { isInstanceError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { unlimitedController } from "../../flow/deadline.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { diskFull } from "../../system/host-failure.ts";
import type { AnyRunning } from "../run/run.ts";
import * as answers from "./answers.ts";
import { ask, askNow, driverFailure, type Question, type Target } from "./ask.ts";
import { gateDetached } from "./gate-detached.ts";
import { gateFiles } from "./gate-files.ts";
import { destroy, detachLate, endLate, killLate } from "./late.ts";

/** The system's errors for a full disk or an exhausted quota. */
const FULL = ["ENOSPC", "EDQUOT"];

/**
 * Wraps a backend in checks: see {@link ask}. An abort waits for a step that changes the instance, because the next
 * step must not begin earlier. It does not wait for steps that only read or open something.
 */
export function gateBackend(driver: string, backend: Backend<never>): Backend<never> {
  const about = (instance: InstanceContext) => ({ driver, instance: instance.name });
  const changing = async <T>(
    step: string,
    instance: InstanceContext,
    { signal }: Abortable,
    isAnswer: Question<T>["isAnswer"],
    call: (options: Abortable) => Promise<T>,
    discard?: (late: T) => void,
  ) => {
    try {
      return await ask({ target: about(instance), step, signal, isAnswer, changes: true, discard }, call);
    } catch (error) {
      // The driver's own file: the caller has named none.
      if (!isInstanceError(error, "ERR_FILE") || !FULL.includes(error.errno)) throw error;
      throw diskFull(`${step} instance "${instance.name}"`, error);
    }
  };
  const { logs, idmap } = backend;
  return {
    plan: (before, after, run) =>
      askNow({ target: { driver, instance: after.name }, step: "plan", isAnswer: answers.isPlan }, () =>
        backend.plan(before, after, run),
      ),
    ...(idmap && {
      idmap: (config: InstanceConfig) =>
        askNow(
          { target: { driver, instance: config.name }, step: "idmap", isAnswer: answers.isIdmapRequestOrNone },
          () => idmap.call(backend, config),
        ),
    }),
    materialize: (instance, options) =>
      changing("materialize", instance, options, answers.isAnything, (limited) =>
        backend.materialize(instance, { ...options, ...limited }),
      ),
    launch: async (instance, options) =>
      gateRunning(
        about(instance),
        await changing(
          "launch",
          instance,
          options,
          answers.isRunning,
          (limited) => backend.launch(instance, { ...options, ...limited }),
          killLate,
        ),
      ),
    adopt: async (instance, options) => {
      const found = await changing(
        "adopt",
        instance,
        options,
        answers.isRunningOrNone,
        (limited) => backend.adopt(instance, limited),
        detachLate,
      );
      return found && gateRunning(about(instance), found);
    },
    ...(backend.lastExit && {
      lastExit: (instance, options) =>
        changing("lastExit", instance, options, answers.isExitStatusOrNone, async (limited) =>
          backend.lastExit?.(instance, limited),
        ),
    }),
    remove: (instance, options) =>
      changing("remove", instance, options, answers.isAnything, (limited) => backend.remove(instance, limited)),
    ...(logs && {
      logs: (instance: LogContext) =>
        askNow({ target: { driver, instance: instance.name }, step: "logs", isAnswer: answers.isPlainLogs }, () =>
          logs.call(backend, instance),
        ),
    }),
  } as Backend<never>;
}

/** Wraps one run in checks. */
function gateRunning(target: Target, running: AnyRunning): AnyRunning {
  const ending = unlimitedController();
  const end = () => ending.abort();
  running.exited.then(end, end);
  const over = ending.signal;
  const looking = <O extends Abortable, T>(
    step: string,
    options: O,
    isAnswer: Question<T>["isAnswer"],
    call: (limited: O) => Promise<T>,
  ) =>
    ask({ target, step, signal: options.signal, over, isAnswer, discard: () => undefined }, (limited) =>
      call({ ...options, ...limited }),
    );
  const { ready, lacks, isEnding, update, exec, freeze, unfreeze, isFrozen, addresses, metrics, reboot, console } =
    running;
  return {
    get pid() {
      return running.pid;
    },
    exited: running.exited.catch((error: unknown) => {
      throw driverFailure(target, "exited", error);
    }),
    ...(lacks && {
      lacks: (capability) =>
        askNow({ target, step: "lacks", isAnswer: answers.isReason }, () => lacks.call(running, capability)),
    }),
    ...(isEnding && {
      isEnding: () => askNow({ target, step: "isEnding", isAnswer: answers.isBoolean }, () => isEnding.call(running)),
    }),
    ...(ready && {
      ready: (options) => looking("ready", options, answers.isAnything, (limited) => ready.call(running, limited)),
    }),
    ...(update && {
      update: (change, options) =>
        ask(
          { target, step: "update", signal: options.signal, isAnswer: answers.isAnything, changes: true },
          (limited) => update.call(running, change, limited),
        ),
    }),
    // A driver may ask again after its answer, until its caller gives up: so it gets the caller's own signal.
    shutdown: (options) =>
      ask({ target, step: "shutdown", signal: options.signal, isAnswer: answers.isAnything }, () =>
        running.shutdown(options),
      ),
    kill: () => ask({ target, step: "kill", isAnswer: answers.isAnything }, () => running.kill()),
    detach: () => ask({ target, step: "detach", isAnswer: answers.isAnything }, () => running.detach()),
    ...(exec && {
      exec: (request, options) => {
        const isAnswer = answers.isProcess(request.tty !== undefined);
        return ask({ target, step: "exec", signal: options.signal, over, isAnswer, discard: endLate }, async () =>
          gateProcess(target, await exec.call(running, request, options)),
        );
      },
    }),
    get files() {
      return running.files && gateFiles(target, over, running.files);
    },
    get detached() {
      return running.detached && gateDetached(target, over, running.detached);
    },
    ...(console && {
      console: (options) =>
        ask(
          {
            target,
            step: "console",
            signal: options.signal,
            over,
            isAnswer: answers.isConsole,
            discard: (late) => destroy(late.output),
          },
          (limited) => console.call(running, limited),
        ),
    }),
    ...(freeze && {
      freeze: (options = {}) =>
        ask(
          { target, step: "freeze", signal: options.signal, isAnswer: answers.isAnything, changes: true },
          (limited) => freeze.call(running, limited),
        ),
    }),
    ...(unfreeze && {
      unfreeze: (options = {}) =>
        ask(
          { target, step: "unfreeze", signal: options.signal, isAnswer: answers.isAnything, changes: true },
          (limited) => unfreeze.call(running, limited),
        ),
    }),
    ...(isFrozen && {
      isFrozen: (options) =>
        looking("isFrozen", options, answers.isBooleanOrNone, (limited) => isFrozen.call(running, limited)),
    }),
    ...(addresses && {
      addresses: (options = {}) =>
        looking("addresses", options, answers.isList, (limited) => addresses.call(running, limited)),
    }),
    ...(reboot && {
      reboot: (options) => looking("reboot", options, answers.isAnything, (limited) => reboot.call(running, limited)),
    }),
    ...(metrics && {
      metrics: (options = {}) =>
        looking("metrics", options, answers.isMetrics, (limited) => metrics.call(running, limited)),
    }),
  } as AnyRunning;
}

/** Wraps one program in checks. Returns anything else unchanged: the caller checks the shape. */
function gateProcess(target: Target, process: BackendProcess): BackendProcess {
  if (typeof process?.kill !== "function") return process;
  const { ranOutOfMemory, release } = process;
  return {
    streams: process.streams,
    exit: process.exit,
    kill: (signal) =>
      ask({ target, step: "kill of a program", isAnswer: answers.isAnything }, () => process.kill(signal)),
    resize: (size) => ask({ target, step: "resize", isAnswer: answers.isAnything }, () => process.resize(size)),
    ...(ranOutOfMemory && {
      ranOutOfMemory: () =>
        ask({ target, step: "ranOutOfMemory", isAnswer: answers.isBoolean }, () => ranOutOfMemory.call(process)),
    }),
    ...(release && {
      release: () => askNow({ target, step: "release", isAnswer: answers.isAnything }, () => release.call(process)),
    }),
  };
}
