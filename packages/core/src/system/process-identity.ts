import { closeSync, existsSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { isInstanceError, TimeoutError } from "../errors/all.ts";
import type { Abortable, Timed } from "../flow/abortable.ts";
import { abortable } from "../flow/deadline.ts";
import { readIfThere, readIfThereSync } from "./read-if-there.ts";
import { pidfdOpen, pidfdSendSignal, pollReadable, type SystemError } from "./syscall.ts";
import { boottimeAhead } from "./time-namespace.ts";

/**
 * Identifies one process, also in a file that outlives it: another process gets the same pid in time, and the same
 * start time can occur again after a reboot.
 */
export const ProcessIdentitySchema = z.strictObject({
  pid: z.number().int().positive(),
  /** Clock ticks after boot, of the host's clock: compare it by {@link isSameStart}. proc_pid_stat(5), field 22. */
  startTime: z.number().int().nonnegative(),
  /** The kernel's random name for this boot: /proc/sys/kernel/random/boot_id. */
  boot: z.string(),
});
/** The identity of one process: see {@link ProcessIdentitySchema}, which reads it from a file. */
export type ProcessIdentity = z.output<typeof ProcessIdentitySchema>;

/**
 * The identity of the process that has this pid now; `undefined` when there is none, or only a zombie. Reads at once: what
 * the kernel says of a process waits for no disk.
 */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = readIfThereSync(`/proc/${pid}/stat`);
  const found = stat === undefined ? undefined : parseProcessStat(stat);
  if (found === undefined || found.state === "Z" || found.state === "X") return undefined;
  return { pid, startTime: found.startTime, boot: bootId() };
}

/**
 * The identity of a child that was spawned in this turn of the event loop. It cannot have been reaped yet, so it is
 * found even if it has ended. Synchronous for that reason.
 */
export function identifyChild(pid: number): ProcessIdentity {
  const found = parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  if (found === undefined) throw new TypeError(`/proc/${pid}/stat is of another kernel`);
  return { pid, startTime: found.startTime, boot: bootId() };
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Whether that very process still runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  return now !== undefined && isSameStart(now.startTime, identity.startTime) && now.boot === identity.boot;
}

/**
 * Whether two start times with one pid are of one process. They may be a tick apart when they were read in different
 * time namespaces: see {@link parseProcessStat}. No pid comes again so soon.
 */
export function isSameStart(one: number, other: number): boolean {
  return Math.abs(one - other) <= 1;
}

/**
 * Whether that very process has certainly ended. One that /proc hides from this user counts as running: proc(5),
 * hidepid.
 */
export async function hasEnded(identity: ProcessIdentity): Promise<boolean> {
  return !isHidden(identity.pid) && !(await isAlive(identity));
}

function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return !existsSync(`/proc/${pid}/stat`);
}

/**
 * Sends a signal to that very process and no other; real-time signals are given by number. False when it has ended.
 * `before` is called right before the signal is sent, in the same turn of the event loop, for a last check of the
 * process.
 */
export async function signalProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals | number,
  before?: () => void,
): Promise<boolean> {
  const send = async (pidfd: number) => {
    before?.();
    return sendSignal(pidfd, signal);
  };
  return (await withPidfd(identity, send)) ?? false;
}

/**
 * Resolves when that very process has ended, whatever its parent is. For the short wait after a signal: it holds a
 * worker thread.
 *
 * @throws {TimeoutError} after `timeout`, default 5 s.
 */
export async function waitForEnd(identity: ProcessIdentity, options: Abortable & Timed = {}): Promise<void> {
  options.signal?.throwIfAborted();
  const timeout = options.timeout ?? 5000;
  const ended = withPidfd(identity, (pidfd) => pollReadable(pidfd, timeout));
  if ((await abortable(ended, options.signal)) === false)
    throw new TimeoutError(`the end of process ${identity.pid}`, timeout);
}

/** The delay after a failed look at a process, in milliseconds. */
const LOOK_INTERVAL = 200;

/** Waits for the end of a process, at most `time` milliseconds, and tells whether it has ended. Never rejects: ask again. */
export async function endsWithin(identity: ProcessIdentity, time: number): Promise<boolean> {
  try {
    await waitForEnd(identity, { timeout: time });
    return true;
  } catch (error) {
    // For example, the host has no free descriptor now. No caller could do more than ask again.
    if (!isInstanceError(error, "ERR_TIMEOUT")) await setTimeout(LOOK_INTERVAL);
    return false;
  }
}

/** The arguments of a process; `undefined` when it does not exist. Those of kernel threads and zombies are empty. */
export async function processArguments(pid: number): Promise<readonly string[] | undefined> {
  return (await readIfThere(`/proc/${pid}/cmdline`))?.split("\0").slice(0, -1);
}

/** A part of /proc/PID/stat: proc_pid_stat(5). */
export interface ProcessStat {
  /** One letter; `Z` for a zombie. */
  readonly state: string;
  /** The pid of its parent. */
  readonly parent: number;
  /** Clock ticks after boot, of the host's clock: compare it by {@link isSameStart}. */
  readonly startTime: number;
  /** Clock ticks of processor time, including time in the kernel. */
  readonly cpuTicks: number;
  readonly residentPages: number;
}

/** A clock tick in nanoseconds: USER_HZ is 100 on all architectures of Node. */
const TICK = 10_000_000n;

/**
 * Reads /proc/PID/stat, as the time namespace of this process shows it, which is `ahead` of the host's by so many
 * nanoseconds: the second field is the command in parentheses, and may hold spaces and parentheses itself.
 */
export function parseProcessStat(stat: string, ahead = boottimeAhead()): ProcessStat | undefined {
  // What follows the command begins with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const number = (field: number) => Number(fields[field - 3]);
  const [state, shown = ""] = [fields[0], fields[22 - 3]];
  if (state === undefined || !/^\d+$/.test(shown)) return undefined;
  const startTime = startTicks(BigInt(shown), ahead);
  return { state, parent: number(4), startTime, cpuTicks: number(14) + number(15), residentPages: number(24) };
}

/**
 * The kernel shifts a start time, takes it as a number of 64 bits without sign, and rounds it down to a tick. A shift by
 * parts of a tick, or to before the boot, can therefore not be taken back exactly: the result is at most one tick late.
 */
function startTicks(shown: bigint, ahead: bigint): number {
  const earliest = BigInt.asIntN(64, shown * TICK) - ahead;
  return Number((earliest + TICK - 1n) / TICK);
}

// The identity is checked while the descriptor is open: from then on the descriptor means that process or none.
async function withPidfd<T>(identity: ProcessIdentity, use: (pidfd: number) => Promise<T>): Promise<T | undefined> {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(identity.pid);
  } catch (error) {
    if ((error as SystemError).code === "ESRCH") return undefined;
    throw error;
  }
  try {
    return (await isAlive(identity)) ? await use(pidfd) : undefined;
  } finally {
    closeSync(pidfd);
  }
}

function sendSignal(pidfd: number, signal: NodeJS.Signals | number): boolean {
  try {
    pidfdSendSignal(pidfd, signal);
    return true;
  } catch (error) {
    if ((error as SystemError).code === "ESRCH") return false;
    throw error;
  }
}
