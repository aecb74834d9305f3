import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Abortable, Timed } from "../flow/abortable.ts";
import type { LogStreamSchema } from "../model/log-options.ts";
import type { InstanceKind } from "../terms/instance-kind.ts";
import type { CanConsole } from "./console.ts";
import type { CanDetached } from "./detached.ts";
import type { CanFiles } from "./files.ts";
import type { CanExec } from "./process.ts";

/** Suspends every process of the instance at once; memory and connections are kept. */
export interface CanFreeze {
  /** Suspends every process of the instance. `running` → `frozen`. Idempotent while `frozen`. */
  freeze(options?: Abortable): Promise<void>;
  /** `frozen` → `running`. Idempotent while `running`. */
  unfreeze(options?: Abortable): Promise<void>;
}

/** One address of one network interface of the instance. */
export interface InterfaceAddress {
  /** The interface's name inside the instance. */
  readonly interface: string;
  readonly family: "inet" | "inet6";
  readonly address: string;
  /** The length of the network prefix, in bits. */
  readonly prefix: number;
  /** Lower case, colon-separated. */
  readonly mac: string;
}

/** The instance's own view of its network. */
export interface CanNetwork {
  /** The current addresses of the instance, without loopback and link-local ones. Requires `running`. */
  addresses(options?: Abortable): Promise<readonly InterfaceAddress[]>;
}

/** {@link InstanceMetrics.memory}. */
export interface MemoryFigures {
  /** In use, without page cache that can be freed at once. */
  readonly bytes: number;
  /** Where there is a limit. */
  readonly limitBytes?: number | undefined;
  /** Swap space in use, where it is counted. */
  readonly swapBytes?: number | undefined;
  /** How many processes were killed since the start because memory ran out, where they are counted. */
  readonly oomKills?: number | undefined;
}

/** What went through a nic in one direction. */
export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** What an instance has received and sent through a nic. */
export interface NicTraffic {
  readonly received: Traffic;
  readonly sent: Traffic;
}

/** What an instance has read from a disk and written to it, in bytes. */
export interface DiskTraffic {
  readonly read: number;
  readonly written: number;
}

/**
 * Live figures of an instance. They mean the same for every driver, as nearly as possible. For a container the kernel
 * counts them for its cgroup. For a virtual machine, processor time is what the machine used on the host, emulated
 * devices included; memory and processes are as its guest counts them. Without an agent, memory is what the machine
 * holds on the host.
 */
export interface InstanceMetrics {
  /** Processor time used since the start, summed over all processors; exact to a microsecond for 285 years. */
  readonly cpu: { readonly seconds: number };
  readonly memory: MemoryFigures;
  /**
   * Number of processes inside, where it can be counted. A container counts one more for each program that `exec` is
   * running, and one for a minute after the last: our helper.
   */
  readonly processes?: number | undefined;
  /**
   * What went through each nic since the start, by the name of the device; for a container since its last boot. The host
   * counts it, so nothing inside can change it.
   */
  readonly network?: Readonly<Record<string, NicTraffic>> | undefined;
  /**
   * What was read and written since the start. For a container that is one entry, `root`, with all that reached the disks
   * of the host, and only with version 2 of cgroups: version 1 does not count it. For a virtual machine it is what its
   * guest asked of each of its disks.
   */
  readonly disk?: Readonly<Record<string, DiskTraffic>> | undefined;
}

/** What the instance uses. */
export interface CanMetrics {
  /** The figures at this moment. Requires `running` or `frozen`. */
  metrics(options?: Abortable): Promise<InstanceMetrics>;
}

/** What an instance prints: an application container's two streams, or the console of a system. */
export type LogStream = z.output<typeof LogStreamSchema>;

/** The streams that instances of each kind have. */
export const LOG_STREAMS: Readonly<Record<InstanceKind, readonly LogStream[]>> = {
  "system-container": ["console"],
  "application-container": ["stdout", "stderr"],
  "virtual-machine": ["console"],
};

/** Options of {@link CanLogs.logs}. */
export interface LogOptions extends Abortable {
  /** Only what was printed to this stream. Default: all streams, in the order of their output. */
  readonly stream?: LogStream | undefined;
  /**
   * Goes on with what the instance prints from now on, and ends when the run ends and its last line was read. Of a
   * stopped instance it ends at once. Default false.
   */
  readonly follow?: boolean | undefined;
  /**
   * Begins at that moment, or so many milliseconds ago; then also with what earlier runs printed, as far as it is kept.
   * Default: the last start.
   */
  readonly since?: Date | number | undefined;
  /** Begins with so many last lines at most. 0 with `follow`: only what is printed from now on. Default: no limit. */
  readonly tail?: number | undefined;
  /**
   * Begins each line with the time of its output and a space: RFC 3339 in UTC with nanoseconds, 30 characters. Default
   * false.
   */
  readonly timestamps?: boolean | undefined;
}

/** What the instance printed. */
export interface CanLogs {
  /**
   * What the instance printed since its last start, up to now or on and on, as bytes: nothing is decoded or filtered,
   * and a hostile program may print control sequences. Works while running and after, and for any number of readers.
   *
   * The end of a long output is kept, for all runs together (four files of 16 MiB each; 8 to 16 MiB since the last start
   * for a driver whose logs have no times). Where something is missing, the text says so on a line of its own that begins
   * with `[pileus: `: lines that found the disk full, a damaged part, a beginning that was removed to keep the log to its
   * size (except in a log without times), or what was removed before a slow reader came to it.
   *
   * An abort destroys the stream with the signal's reason.
   *
   * @throws {UnsupportedError} for a stream that this kind of instance does not have: see {@link LOG_STREAMS}; and for
   * `since` and `timestamps` with a driver whose logs have no times. @throws {HostError} when the host has no inotify
   * watch left for `follow`. @throws {TimeoutError} when the process that keeps the log of the running instance does not
   * answer within 5 seconds, because it is stopped (`SIGSTOP`) or the host is overloaded.
   */
  logs(options?: LogOptions): Promise<Readable>;
}

/** Restarts the system inside, without an end of the run. */
export interface CanReboot {
  /**
   * Asks the init inside to restart the system, and resolves when the system is back and can be used as after
   * `ready()`. Requires `running`, and the state stays `running`: `wait()` and watchers see no end. All processes inside
   * end. `restart()` instead stops the instance, which also applies a changed configuration. An abort ends only the
   * wait.
   *
   * @throws {TimeoutError} after `timeout`, default 120 s, with the last lines that the instance printed: the system may
   * come back later. @throws {StateError} when the instance ended instead.
   */
  reboot(options?: Abortable & Timed): Promise<void>;
}

/**
 * Everything that an instance may offer beyond the life cycle, by the name of the capability. A new capability
 * (`snapshot`, `devices` …) is one more line here.
 */
export interface CapabilityOperations {
  exec: CanExec;
  detached: CanDetached;
  files: CanFiles;
  freeze: CanFreeze;
  network: CanNetwork;
  metrics: CanMetrics;
  logs: CanLogs;
  console: CanConsole;
  reboot: CanReboot;
}

/** The name of something that an instance may be able to do, as `can()` takes it. */
export type Capability = keyof CapabilityOperations;

// A record, so that a capability that is missing here does not compile.
const ALL: Readonly<Record<Capability, true>> = {
  exec: true,
  detached: true,
  files: true,
  freeze: true,
  network: true,
  metrics: true,
  logs: true,
  console: true,
  reboot: true,
};

/** All capabilities at run time, in the order of the documents. */
export const CAPABILITIES = Object.keys(ALL) as readonly Capability[];

type Intersect<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;

/** Exactly the operations of the capabilities `C`. */
export type OperationsOf<C extends Capability> = [C] extends [never] ? unknown : Intersect<CapabilityOperations[C]>;
