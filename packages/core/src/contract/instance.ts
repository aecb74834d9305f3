import type { Abortable, Timed } from "../flow/abortable.ts";
import type { InstanceConfig } from "../model/config.ts";
import type { ExposedPort } from "../terms/exposed-ports.ts";
import type { Idmap } from "../terms/idmap.ts";
import type { InstanceKind } from "../terms/instance-kind.ts";
import type { InstanceExit, InstanceState } from "../terms/state.ts";
import type { Capability, OperationsOf } from "./capability.ts";
import type { CanUpdate } from "./change.ts";
import type { Emitter, InstanceEvents, Watchable } from "./events.ts";

/** A snapshot of what is known of an instance; it does not change later. */
export interface InstanceInfo {
  /** Unique on the host. */
  readonly name: string;
  /** RFC 9562 version 4. Given by `create()`, never used again. */
  readonly uuid: string;
  /** The name of the driver that runs it. */
  readonly driver: string;
  /** The kind of the instance, independent of its driver. */
  readonly kind: InstanceKind;
  /** From `list()`: the last recorded state, unless `state: "live"` was given. From `inspect()`: the current state. */
  readonly state: InstanceState;
  /** The configuration, defaults filled in: the one that it was created with, as `update()` has changed it since. */
  readonly config: InstanceConfig;
  /**
   * The configuration that it runs with, if that is not yet {@link config}: a part of a change, or another name, waits for
   * the next start.
   * Only from `inspect()`.
   */
  readonly applied?: InstanceConfig | undefined;
  /** `sha256:…` of the image that the instance was created from. */
  readonly image: string;
  /** The ports that the image declares (`EXPOSE`); empty when it declares none. */
  readonly exposedPorts: readonly ExposedPort[];
  /**
   * The ids of the host that ids inside map to: id 0 to `base`, and so on for `count` ids, except those of `extra`.
   * Absent when ids inside are the host's own, and for a virtual machine.
   */
  readonly idmap?: Idmap | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Whether `ephemeral()` created it. */
  readonly ephemeral: boolean;
  /** When its lifetime ends, in milliseconds since the epoch. Absent: never. */
  readonly expiresAt?: number | undefined;
  /** Milliseconds since the epoch: the last start; absent before the first. */
  readonly startedAt?: number | undefined;
  /**
   * PID 1 of a container, as the host sees it, or QEMU. A reboot of a container changes it. Absent when the instance does
   * not run on this machine.
   */
  readonly pid?: number | undefined;
  /** How it stopped the last time; absent before the first stop. */
  readonly exit?: InstanceExit | undefined;
  /** Why `state` is `error`. */
  readonly error?: string | undefined;
}

/** Options of {@link InstanceCore.stop} and {@link InstanceCore.restart}. */
export interface StopOptions extends Abortable, Timed {
  /**
   * `ask` (default): sends init's halt signal, the image's stop signal or a press of the power button. When the
   * instance still runs after `timeout` (default 30 s), the call rejects with {@link TimeoutError}, and the instance
   * keeps running. `ask-then-kill`: the same, but kills after `timeout`. `kill`: kills at once.
   */
  readonly mode?: "ask" | "ask-then-kill" | "kill" | undefined;
}

/**
 * What every instance offers, whatever its driver. An instance is a definition (the record on disk) and at most one run
 * of that.
 *
 * Disposing detaches: listeners and watchers of this handle end. It never stops or deletes the instance. Once the host
 * is disposed, every method throws or rejects with {@link ConnectionError} at once. All calls on one instance may be
 * made at the same time, from several processes too: a kernel lock serializes those that change it. The agent of a
 * virtual machine serves a limited number of processes at a time: see {@link CanExec}.
 */
export interface InstanceCore<C extends Capability = Capability> extends Watchable, CanUpdate, AsyncDisposable {
  /**
   * Unique on the host. After a {@link rename} by any process it is the new name: at once in the process that renamed it,
   * and in others at the event `renamed`, or with their next call on the instance.
   */
  readonly name: string;
  /** Events for listeners; `watch()` gives them to loops. */
  readonly events: Emitter<InstanceEvents>;
  /**
   * Whether the capability can be used now; narrows the type. False while the driver, this host or the guest lacks it.
   * For a stopped instance, and for a running one that this process has not yet looked at, it says what the driver can
   * do: `inspect()` and every other verb look.
   */
  can<K extends Capability>(capability: K): this is Instance<C | K>;
  /** The current state. Asks the driver, unless this process is attached to the run and so learns of its end anyway. */
  state(options?: Abortable): Promise<InstanceState>;
  /** All that is known of the instance, as current as {@link state}. @throws {StateError} when it was deleted. */
  inspect(options?: Abortable): Promise<InstanceInfo>;
  /**
   * `stopped` → `running`. Joins a start that is under way; a no-op while running. While a stop is under way, in any
   * process, the call waits for it and then starts the instance again. Aborting the call that began the start undoes
   * it; a call that joined only stops waiting. A failed start leaves the instance `stopped`.
   *
   * @throws {StateError} when the lifetime of the instance has ended.
   */
  start(options?: Abortable): Promise<void>;
  /**
   * Resolves when the instance can be used: its init is up far enough for `exec`, the agent answers, and each nic on a
   * managed network has its address. Requires `running`.
   *
   * @throws {TimeoutError} after `timeout`, default 120 s, with the last lines that the instance printed.
   */
  ready(options?: Abortable & Timed): Promise<void>;
  /**
   * → `stopped`. Joins a stop that is under way in any process (a `kill` overtakes an `ask`); a no-op while stopped.
   * Works right after start, and on a frozen instance, which is unfrozen first. An abort only ends the wait: the
   * instance still stops as it was asked to.
   */
  stop(options?: StopOptions): Promise<void>;
  /** Stop, then start: also when another call, in any process, stops or kills the instance meanwhile. */
  restart(options?: StopOptions): Promise<void>;
  /** Resolves with how the instance ended, once it is stopped. Rejects with {@link StateError} if it never ran. */
  wait(options?: Abortable): Promise<InstanceExit>;
  /**
   * Gives the instance another name, running or not. Everything else stays: its uuid, its files, its run, and every
   * handle and watcher of it in all processes. At once it is found by the new name alone, and its networks resolve that
   * name; the old one is free. The host name inside changes with the next start: the guest is not asked. A no-op if it
   * has the name already. An abort before the call resolves undoes it, and a crash leaves one name or the other.
   *
   * @throws {ConfigError} for a name that `create()` would refuse, before anything is touched.
   * @throws {AlreadyExistsError} when another instance has the name.
   */
  rename(name: string, options?: Abortable): Promise<void>;
  /**
   * Stops the instance by force if it runs, then removes everything that belongs to it: processes, mounts, cgroups, interfaces,
   * files. Idempotent. An abort does not undo it. The next `openHost()` finishes a delete that a crash cut short.
   */
  delete(options?: Abortable): Promise<void>;
}

/** The core, and exactly the operations of the capabilities `C`. */
export type Instance<C extends Capability = never> = InstanceCore<C> & OperationsOf<C>;
