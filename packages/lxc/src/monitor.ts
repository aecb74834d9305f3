import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, watch } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { type Abortable, CommandError, ConnectionError, isInstanceError } from "@pileus/core";
import {
  abortable,
  findProcesses,
  identifyChild,
  isAlive,
  type ProcessIdentity,
  reserveSpace,
  waitForEnd,
  withDeadline,
} from "@pileus/core/driver";
import { connectMonitor, untilClosed } from "./command-socket.ts";
import { monitorArgv, startArgv } from "./commands.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { inheritedVariables } from "./environment.ts";
import { InitProcess } from "./init-process.ts";
import type { InitVerdict } from "./init-verdict.ts";
import { launch } from "./launch.ts";
import { parseMonitorLog } from "./monitor-log.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { monitorLogText, readMonitorLog } from "./read-monitor-log.ts";

/** The lxc-start of one run: it is the parent of PID 1 and cleans up after it. It outlives our process. */
export interface Monitor {
  readonly identity: ProcessIdentity;
  readonly init: InitProcess;
  /** Resolves when the monitor is gone, and never rejects. A reboot inside is not its end. */
  readonly ended: Promise<void>;
  /** Stops watching; the monitor runs on. `ended` then never settles. */
  detach(): void;
}

/** The time limit of a start until PID 1 is there, in milliseconds. It takes tens of milliseconds. */
const START_TIME = 60_000;

/** Starts PID 1. Resolves when it runs: its program was executed. Needs the configuration in place. */
export async function startMonitor(
  tool: string,
  spec: ContainerSpec,
  verdict: Pick<InitVerdict, "accept">,
  options: Abortable,
): Promise<Monitor> {
  options.signal?.throwIfAborted();
  const { log } = containerPaths(spec);
  makeLog(log);
  const argv = startArgv(tool, spec);
  const stdio = openOutput(spec);
  let child: ChildProcess;
  try {
    child = launch(argv, {
      stdio: ["ignore", ...stdio],
      // No PATH: liblxc would use newuidmap wherever it finds it, and that looks into /etc/subuid, where root usually
      // has no line.
      env: inheritedVariables(spec.init.env ?? {}),
    });
  } finally {
    for (const fd of stdio) if (typeof fd === "number") closeSync(fd);
  }
  const exit = once(child, "exit");
  // A failure to spawn is handled below.
  exit.catch(() => undefined);
  try {
    // At once: a short program and its monitor may have ended before the start is seen.
    const identity = child.pid === undefined ? undefined : identifyChild(child.pid);
    const deadline = { action: `the start of container "${spec.name}"`, timeout: START_TIME, signal: options.signal };
    const started = await withDeadline(deadline, async (signal) => {
      if (!(await untilStarted(log, exit, { signal }))) return false;
      if (identity !== undefined) await verdict.accept(exit, { signal });
      return true;
    });
    if (!started || identity === undefined) throw startFailure(argv, child, log);
    let detached = false;
    return {
      identity,
      init: new InitProcess(spec.name, log, identity),
      ended: exit.then(() => (detached ? new Promise(() => undefined) : undefined)),
      detach: () => {
        detached = true;
        child.unref();
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    await exit.catch(() => undefined);
    throw error;
  }
}

/**
 * Finds the monitor of a run that another process started; `undefined` when there is none that has got far enough to
 * take commands. During a reboot it takes none, but is still found.
 */
export async function findMonitor(spec: ContainerSpec): Promise<Monitor | undefined> {
  const { log, lxcpath } = containerPaths(spec);
  const socket = connectMonitor(lxcpath, spec.name);
  if (socket === undefined && !readMonitorLog(log).rebooting) return undefined;
  let identity: ProcessIdentity | undefined;
  try {
    [identity] = await monitors(spec);
  } finally {
    if (identity === undefined) socket?.destroy();
  }
  if (identity === undefined) return undefined;
  return heldMonitor(spec, identity, socket);
}

function heldMonitor(spec: ContainerSpec, identity: ProcessIdentity, socket: Socket | undefined): Monitor {
  let held = socket;
  const detached = new AbortController();
  const { signal } = detached;
  const init = new InitProcess(spec.name, containerPaths(spec).log, identity);
  return {
    identity,
    init,
    ended: (async () => {
      do {
        if (held !== undefined) await untilClosed(held);
        // If its socket cannot be reached, the end of the process still shows.
        held = await reconnect(spec, identity, signal).catch(() => undefined);
        if (signal.aborted) held?.destroy();
      } while (held !== undefined);
      while (!signal.aborted && (await endOf(identity)) === "there");
      return signal.aborted ? new Promise<never>(() => undefined) : undefined;
    })(),
    detach: () => {
      detached.abort();
      held?.destroy();
    },
  };
}

/** Our processes that are monitors of this container, at any stage. */
export function monitors(spec: PlacedSpec): Promise<readonly ProcessIdentity[]> {
  const begin = monitorArgv("", spec).slice(1);
  return findProcesses((argv) => begin.every((argument, index) => argv[index + 1] === argument));
}

/**
 * Resolves when the monitor has started another PID 1 than this one. @throws {ConnectionError} when it ends instead.
 */
export async function untilNextInit(
  spec: PlacedSpec,
  { init, ended }: Monitor,
  before: ProcessIdentity,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const over = ended.then(() => {
    throw new ConnectionError(`container "${spec.name}"`, "it has ended instead of a reboot");
  });
  over.catch(() => undefined);
  const events = watch(containerPaths(spec).log);
  try {
    for (;;) {
      const changed = once(events, "change");
      // An error of the watch can come before the code below awaits it.
      changed.catch(() => undefined);
      const now = init.find();
      if (now !== undefined && now.pid !== before.pid) return;
      await abortable(Promise.race([changed, over]), signal);
    }
  } finally {
    events.close();
  }
}

/**
 * After a reboot inside, the same monitor listens again once PID 1 runs; `undefined` when it has ended, or `signal` is
 * aborted.
 */
async function reconnect(
  spec: ContainerSpec,
  monitor: ProcessIdentity,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const { lxcpath, log } = containerPaths(spec);
  const events = watch(log);
  // One wait at a time: each holds a worker thread, and the log changes a hundred times during a reboot.
  let end: Promise<"gone" | "there"> | undefined;
  try {
    while (!signal.aborted) {
      const changed = once(events, "change");
      // An error of the watch can come before the code below awaits it.
      changed.catch(() => undefined);
      const { rebooting } = readMonitorLog(log);
      const socket = connectMonitor(lxcpath, spec.name);
      if (socket !== undefined) {
        let kept = false;
        try {
          // While the monitor lives, the name belongs to it; later, to the monitor of the next run.
          kept = await isAlive(monitor);
          return kept ? socket : undefined;
        } finally {
          if (!kept) socket.destroy();
        }
      }
      if (!rebooting) return undefined;
      end ??= endOf(monitor);
      const first = await Promise.race([changed, end]);
      if (first === "gone") return undefined;
      if (first === "there") end = undefined;
    }
    return undefined;
  } finally {
    events.close();
  }
}

/** The delay before a failed check for the end of a monitor is repeated, in milliseconds. */
const END_INTERVAL = 200;

/** Waits up to a second for the end of a monitor, and tells whether it has ended. */
async function endOf(monitor: ProcessIdentity): Promise<"gone" | "there"> {
  try {
    await waitForEnd(monitor, { timeout: 1000 });
    return "gone";
  } catch (error) {
    // For example, the host has no free descriptor now: the check is repeated.
    if (!isInstanceError(error, "ERR_TIMEOUT")) await setTimeout(END_INTERVAL);
    return "there";
  }
}

/** Bytes of log for which there must be room before a start: four times what a start and the following end need. */
const LOG_ROOM = 256 * 1024;

/** Makes an empty log with reserved space: on a full disk, neither a start nor an end would ever be logged. */
function makeLog(log: string): void {
  const fd = openSync(log, "w", 0o600);
  try {
    reserveSpace(fd, LOG_ROOM);
  } finally {
    closeSync(fd);
  }
}

type Output = "ignore" | number;

function openOutput({ output }: ContainerSpec): [Output, Output] {
  if (output.kind === "console") return ["ignore", "ignore"];
  const stdout = openSync(output.stdout, "a", 0o600);
  try {
    return [stdout, output.stderr === output.stdout ? stdout : openSync(output.stderr, "a", 0o600)];
  } catch (error) {
    closeSync(stdout);
    throw error;
  }
}

/** Resolves with false when the monitor ended before it had started PID 1. */
async function untilStarted(log: string, exit: Promise<unknown>, { signal }: Abortable): Promise<boolean> {
  const events = watch(log);
  const hasStarted = () => readMonitorLog(log).init !== undefined;
  let abort = () => {};
  try {
    return await new Promise<boolean>((resolve, reject) => {
      // Dozens of lines come before the right one, and only that one is worth a closer look.
      const look = () => {
        try {
          if (monitorLogText(log).includes(" - Started ") && hasStarted()) resolve(true);
        } catch (error) {
          reject(error);
        }
      };
      events.on("change", look).on("error", reject);
      // The line may have been written before the watch began, and no other may follow for long.
      look();
      exit.then(() => resolve(hasStarted())).catch(reject);
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
    });
  } finally {
    signal?.removeEventListener("abort", abort);
    events.close();
  }
}

function startFailure(argv: readonly string[], child: ChildProcess, log: string): CommandError {
  const text = monitorLogText(log);
  return new CommandError({
    argv,
    exitCode: child.exitCode ?? undefined,
    signal: child.signalCode ?? undefined,
    stderr: `${text}\n${parseMonitorLog(text).failure ?? ""}`,
  });
}
