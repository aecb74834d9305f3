import type { InstanceConfig } from "../model/config.ts";
import type { Abortable, Timed } from "./abortable.ts";
import type { Capability, OperationsOf } from "./capability.ts";
import type { Emitter, InstanceEvents, Watchable } from "./events.ts";
import type { InstanceExit, InstanceState } from "./state.ts";

/** What a kind of instance is, whichever driver runs it. */
export type InstanceKind = "system-container" | "application-container" | "virtual-machine";

/** A port on which the program of an image listens. */
export interface ExposedPort {
  readonly port: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

/** One look at an instance: a copy, not a view. */
export interface InstanceInfo {
  /** Unique on the host. */
  readonly name: string;
  /** RFC 9562 version 4, given at create and never used twice. */
  readonly uuid: string;
  /** The name of the driver that runs it. */
  readonly driver: string;
  /** What it is, whichever driver runs it. */
  readonly kind: InstanceKind;
  /** As it was last put on record; `inspect()` looks first. */
  readonly state: InstanceState;
  /** What it was created with, defaults filled in. */
  readonly config: InstanceConfig;
  /** `sha256:…` of the image that it was created from. */
  readonly image: string;
  /** What the image says that its program listens on (`EXPOSE`); empty where it says nothing. */
  readonly exposedPorts: readonly ExposedPort[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Whether `ephemeral()` made it. */
  readonly ephemeral: boolean;
  /** When its lifetime passes, in milliseconds since the epoch. Absent: never. */
  readonly expiresAt?: number | undefined;
  /** Milliseconds since the epoch: the last start; absent before the first. */
  readonly startedAt?: number | undefined;
  /** Absent where the instance does not run on this machine. */
  readonly pid?: number | undefined;
  /** The last stop; absent before the first. */
  readonly exit?: InstanceExit | undefined;
  /** Why `state` is `error`. */
  readonly error?: string | undefined;
}

/** Options of {@link InstanceCore.stop} and {@link InstanceCore.restart}. */
export interface StopOptions extends Abortable, Timed {
  /**
   * `ask` (default): init's halt signal, the image's stop signal or the power button, then wait for `timeout` (default
   * 30 s) and reject with {@link TimeoutError}, the instance running on. `ask-then-kill`: the same, then kill.
   * `kill`: at once.
   */
  readonly mode?: "ask" | "ask-then-kill" | "kill" | undefined;
}

/**
 * An instance as every driver has it: a definition (the record on disk) and at most one running thing.
 *
 * Disposing detaches: listeners and watchers of this handle end. It never stops or deletes the instance. Once the host is
 * disposed, everything of the handle throws or rejects with {@link ConnectionError} at once.
 * All calls on one instance are safe to make at the same time, from several processes too: a kernel lock puts those
 * that change it in a row. What goes through the agent of a virtual machine is for one process at a time: see
 * {@link CanExec}.
 */
export interface InstanceCore<C extends Capability = Capability> extends Watchable, AsyncDisposable {
  /** Unique on the host. */
  readonly name: string;
  /** For listeners; `watch()` for loops. */
  readonly events: Emitter<InstanceEvents>;
  /**
   * Whether the capability can be used now, narrowing the type. False while the driver, this host or the guest lacks
   * it; a stopped instance answers for its driver.
   */
  can<K extends Capability>(capability: K): this is Instance<C | K>;
  /** Where it stands now: asked of its driver, unless this process holds the run and is told of its end anyway. */
  state(options?: Abortable): Promise<InstanceState>;
  /** All that is known of it, after the same look as {@link state}. @throws {StateError} when it was deleted. */
  inspect(options?: Abortable): Promise<InstanceInfo>;
  /**
   * `stopped` → `running`. Joins a start already under way; a no-op while running; waits for a stop under way, in
   * whatever process, and starts it again. Aborting the call that began the
   * start undoes it; a call that joined merely stops waiting. A failed start leaves the instance `stopped`.
   *
   * @throws {StateError} when the lifetime of the instance has passed.
   */
  start(options?: Abortable): Promise<void>;
  /**
   * Resolves when the instance can be used: its init has come up far enough for `exec`, the agent answers, and each nic
   * on a managed network has its address. Requires `running`.
   *
   * @throws {TimeoutError} after `timeout`, default 120 s.
   */
  ready(options?: Abortable & Timed): Promise<void>;
  /**
   * → `stopped`. Joins a stop already under way, in whatever process (a `kill` overtakes an `ask`); a no-op while
   * stopped; works right after start, and on a frozen instance, which is unfrozen first. Aborting stops waiting; what was
   * asked for stays asked for.
   */
  stop(options?: StopOptions): Promise<void>;
  /** Stop, then start. */
  restart(options?: StopOptions): Promise<void>;
  /**
   * Resolves with how it ended once it is stopped; at once when it is. Rejects with {@link StateError} if it never ran.
   */
  wait(options?: Abortable): Promise<InstanceExit>;
  /**
   * Stops it by force if it runs, then removes all that it left: processes, mounts, cgroups, interfaces, files.
   * Idempotent. Not undone by an abort; a delete cut short by a crash is finished at the next open.
   */
  delete(options?: Abortable): Promise<void>;
}

/** The core, and exactly the operations of the capabilities `C`. */
export type Instance<C extends Capability = never> = InstanceCore<C> & OperationsOf<C>;
