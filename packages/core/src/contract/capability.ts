import type { Readable } from "node:stream";
import type { z } from "zod";
import type { LogStreamSchema } from "../model/log-stream.ts";
import type { Abortable } from "./abortable.ts";
import type { CanFiles } from "./files.ts";
import type { InstanceKind } from "./instance.ts";
import type { CanExec } from "./process.ts";

/** Standing still: every process of the instance at once, its memory and its connections kept. */
export interface CanFreeze {
  /** Stops every process of the instance where it stands. `running` → `frozen`. Idempotent while `frozen`. */
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
  /** The addresses that the instance has now, loopback and link-local left out. Requires `running`. */
  addresses(options?: Abortable): Promise<readonly InterfaceAddress[]>;
}

/**
 * Live figures of an instance: the same meaning whatever runs it, as near as can be. A container's are the kernel's count
 * of its processes. A virtual machine's processor time is what it took of the host, devices and all; its memory and its
 * processes are as its guest counts them, or where no agent tells, the memory that it holds of the host.
 */
export interface InstanceMetrics {
  /** Processor time consumed since start, of all processors together: exact to a microsecond for 285 years. */
  readonly cpu: { readonly seconds: number };
  /** Memory in use, without page cache that can be dropped at once; `limitBytes` where there is a limit. */
  readonly memory: { readonly bytes: number; readonly limitBytes?: number | undefined };
  /** Processes inside, where they can be counted. */
  readonly processes?: number | undefined;
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

/** What the instance printed. */
export interface CanLogs {
  /**
   * What the instance printed since its last start, from the beginning up to now. Works while running and after.
   *
   * @throws {UnsupportedError} for a stream that this kind of instance does not have: see {@link LOG_STREAMS}.
   */
  logs(stream: LogStream, options?: Abortable): Promise<Readable>;
}

/**
 * Everything that some instance can do beyond the life cycle, by the name of its capability. A later capability
 * (`snapshot`, `console`, `devices` …) is one more line here.
 */
export interface CapabilityOperations {
  exec: CanExec;
  files: CanFiles;
  freeze: CanFreeze;
  network: CanNetwork;
  metrics: CanMetrics;
  logs: CanLogs;
}

/** The name of something that an instance may be able to do, as `can()` takes it. */
export type Capability = keyof CapabilityOperations;

// A record, so that a capability without a place here does not compile.
const ALL: Readonly<Record<Capability, true>> = {
  exec: true,
  files: true,
  freeze: true,
  network: true,
  metrics: true,
  logs: true,
};

/** All capabilities at run time, in the order of the documents. */
export const CAPABILITIES = Object.keys(ALL) as readonly Capability[];

type Intersect<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;

/** Exactly the operations of the capabilities `C`. */
export type OperationsOf<C extends Capability> = [C] extends [never] ? unknown : Intersect<CapabilityOperations[C]>;
