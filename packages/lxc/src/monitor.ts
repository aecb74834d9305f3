import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, watch } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { type Abortable, CommandError, isInstanceError } from "@pileus/core";
import {
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

/** The lxc-start of one run: parent of PID 1, and who cleans up after it. It outlives our process. */
export interface Monitor {
  readonly identity: ProcessIdentity;
  readonly init: InitProcess;
  /** Resolves when the monitor is gone, and never rejects. A reboot inside is not its end. */
  readonly ended: Promise<void>;
  /** Lets it run on without us: `ended` then never settles. */
  detach(): void;
}

/** Milliseconds after which a start that has not come to its PID 1 is given up. It takes tens of them. */
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
      // No PATH on which newuidmap is: it would ask /etc/subuid, where root mostly has no line. Root writes the map
      // itself.
      env: inheritedVariables(spec.init.env ?? {}),
    });
  } finally {
    for (const fd of stdio) if (typeof fd === "number") closeSync(fd);
  }
  const exit = once(child, "exit");
  // A failure to spawn shows below.
  exit.catch(() => undefined);
  try {
    // At once: a short program and its monitor have come and gone by the time the start is seen.
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
 * The monitor of a run that another process started; `undefined` when there is none that has come so far as to take
 * commands. In the midst of a reboot it takes none, and is found all the same.
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
        // Whatever keeps us from its socket: the process tells of its end, too.
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

/** The processes of ours that are monitors of this container, whatever stage they have reached. */
export function monitors(spec: PlacedSpec): Promise<readonly ProcessIdentity[]> {
  const begin = monitorArgv("", spec).slice(1);
  return findProcesses((argv) => begin.every((argument, index) => argv[index + 1] === argument));
}

/**
 * After a reboot inside the same monitor listens anew, once PID 1 runs again; `undefined` when it has ended, or
 * `signal` says to stop.
 */
async function reconnect(
  spec: ContainerSpec,
  monitor: ProcessIdentity,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const { lxcpath, log } = containerPaths(spec);
  const events = watch(log);
  // One at a time: each holds a worker thread, and the log changes a hundred times in a reboot.
  let end: Promise<"gone" | "there"> | undefined;
  try {
    while (!signal.aborted) {
      const changed = once(events, "change");
      // An error of the watch can come before anybody waits for it below.
      changed.catch(() => undefined);
      const { rebooting } = readMonitorLog(log);
      const socket = connectMonitor(lxcpath, spec.name);
      if (socket !== undefined) {
        let kept = false;
        try {
          // While it lives the name is its own; later, the next run's monitor's.
          kept = await isAlive(monitor);
          return kept ? socket : undefined;
        } finally {
          if (!kept) socket.destroy();
        }
      }
      if (!rebooting) return undefined;
      end ??= endOf(monitor);
      const news = await Promise.race([changed, end]);
      if (news === "gone") return undefined;
      if (news === "there") end = undefined;
    }
    return undefined;
  } finally {
    events.close();
  }
}

/** How soon it is asked again whether a monitor has ended, where this could not be told, in milliseconds. */
const END_INTERVAL = 200;

/** Whether a monitor has ended, or is still there a second later. */
async function endOf(monitor: ProcessIdentity): Promise<"gone" | "there"> {
  try {
    await waitForEnd(monitor, { timeout: 1000 });
    return "gone";
  } catch (error) {
    // A host that has no descriptor to spare, say, cannot tell now: it is asked again.
    if (!isInstanceError(error, "ERR_TIMEOUT")) await setTimeout(END_INTERVAL);
    return "there";
  }
}

/** Bytes of log for which there must be room before a start: four times what one, and the end after it, take. */
const LOG_ROOM = 256 * 1024;

/** An empty log with its room on the disk: on a full one neither a start nor an end would ever be told. */
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

/** False when it ended before it had started anything. */
async function untilStarted(log: string, exit: Promise<unknown>, { signal }: Abortable): Promise<boolean> {
  const events = watch(log);
  const hasStarted = () => readMonitorLog(log).init !== undefined;
  let abort = () => {};
  try {
    return await new Promise<boolean>((resolve, reject) => {
      // Dozens of lines come before the one: only it is worth a closer look.
      const look = () => {
        try {
          if (monitorLogText(log).includes(" - Started ") && hasStarted()) resolve(true);
        } catch (error) {
          reject(error);
        }
      };
      events.on("change", look).on("error", reject);
      // The line may have been written before the watch was there, and may be the last for long.
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
