import type { Abortable } from "../flow/abortable.ts";
import type { DeviceInput } from "../model/device/device.ts";
import type { LimitsInput } from "../model/limits.ts";
import type { LogBoundsInput } from "../model/log-bounds.ts";
import type { Plan } from "./backend.ts";
import type { DriverSections } from "./host.ts";

/** Keys that are given replace what was there, `null` takes a key back to its default, and the others stay. */
type Keys<T> = { readonly [K in keyof T]?: T[K] | null | undefined };

/** The part of a {@link ConfigChange} that instances of all drivers have. */
export interface CommonChange {
  /** The limits that change; `null` takes a limit away. */
  readonly limits?: Keys<LimitsInput> | undefined;
  /** The devices that come or change, each as a whole; `null` takes one away. */
  readonly devices?: Readonly<Record<string, DeviceInput | null | undefined>> | undefined;
  /** The variables that change; `null` removes one. Programs of `exec` get them at once. */
  readonly env?: Readonly<Record<string, string | null | undefined>> | undefined;
  /** How much is kept of what it prints. */
  readonly log?: Keys<LogBoundsInput> | undefined;
  /** The labels that change; `null` removes one. */
  readonly labels?: Readonly<Record<string, string | null | undefined>> | undefined;
}

/** The changes of the sections of all drivers whose packages are imported; an instance takes that of its own driver. */
type SectionChanges = { readonly [N in keyof DriverSections]?: Keys<DriverSections[N]> | undefined };

/**
 * What {@link CanUpdate.update} and {@link CanUpdate.plan} take: only the keys that change, as in
 * `{ limits: { memory: "1GiB", cpu: null } }`. A name changes by `rename()`; driver and image stay.
 */
export type ConfigChange = CommonChange & SectionChanges;

/** The changes of a configuration. */
export interface CanUpdate {
  /**
   * What {@link update} would do with this change now: each key that differs, with its effect. `live`: at once, in the run
   * that goes on. `next-start`: recorded, and in effect from the next start on. `unsupported`: refused, with the reason; so
   * are the name, which `rename()` changes, and what is fixed at create: driver and image. Changes nothing.
   *
   * @throws {ConfigError} for a change that no instance of the driver could have.
   */
  plan(change: ConfigChange, options?: Abortable): Promise<Plan>;
  /**
   * Changes the configuration as {@link plan} says, all or nothing, and resolves with what it did. Requires `stopped`,
   * `running` or `frozen`. Updates by several processes come one after the other. After a crash in the middle, the
   * configuration is the old one or the new one, and the next process that finds the run makes what is live agree with it.
   *
   * @throws {ConfigError} for what `plan()` calls `unsupported`, before anything is touched; and for a limit of memory below
   * what the instance uses and cannot give back: then the old one still holds.
   */
  update(change: ConfigChange, options?: Abortable): Promise<Plan>;
  /**
   * Adds a device under a name that no device has: `update({ devices: { [name]: device } })`. In an instance that runs it is
   * there before the call resolves, if `plan()` calls it `live`; else from the next start on.
   *
   * @throws {ConfigError} as {@link update}; and when the name is taken, or a source is missing.
   */
  attachDevice(name: string, device: DeviceInput, options?: Abortable): Promise<void>;
  /**
   * Takes a device away: `update({ devices: { [name]: null } })`. One that is in use stays, unless `force` is set.
   *
   * @throws {NotFoundError} when there is no device of that name.
   * @throws {InUseError} naming who uses it.
   */
  detachDevice(name: string, options?: DetachOptions): Promise<void>;
}

/** Options of {@link CanUpdate.detachDevice}. */
export interface DetachOptions extends Abortable {
  /**
   * Takes away what programs still use, too: they keep what they have open, and find no name of it any more. Default
   * false.
   */
  readonly force?: boolean | undefined;
}
