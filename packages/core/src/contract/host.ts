import type { z } from "zod";
import type { AnyDriver, HostReport } from "../driver/backend.ts";
import type { CommonConfigInput } from "../model/config.ts";
import type { Abortable, ProgressOptions } from "./abortable.ts";
import type { Capability } from "./capability.ts";
import type { Watchable } from "./events.ts";
import type { Images } from "./images.ts";
import type { Instance, InstanceInfo, InstanceKind } from "./instance.ts";
import type { Networks } from "./networks.ts";

/** The capabilities of the driver named `N` among `D`; of several, those that all of them have. */
export type CapabilitiesOf<D extends AnyDriver, N> = CommonCapabilities<D extends { name: N } ? D : never>;

type CommonCapabilities<D> = [D] extends [never]
  ? never
  : { [K in Capability]: [Lacking<D, K>] extends [never] ? K : never }[Capability];
type Lacking<D, K> = D extends { capabilities: ReadonlySet<infer C> } ? (K extends C ? never : D) : never;

/**
 * The section of each driver by the driver's name, as a caller writes it. Empty here: the package of a driver adds its
 * own, so that those of the packages that a program imports are known by name.
 *
 * ```ts
 * declare module "@pileus/core" {
 *   interface DriverSections {
 *     lxc: LxcSectionInput;
 *   }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: the packages of drivers augment it.
export interface DriverSections {}

/**
 * What `create()` takes: the common keys, and the section of the driver that `driver` names. Of a driver by its name,
 * `CreateConfig<"lxc">`, where its package adds it to {@link DriverSections}; or by its type,
 * `CreateConfig<ReturnType<typeof lxc>>`.
 */
export type CreateConfig<D extends AnyDriver | keyof DriverSections = keyof DriverSections> =
  D extends keyof DriverSections
    ? ConfigOf<D, DriverSections[D]>
    : D extends { name: infer N extends string; section: z.ZodType<unknown, infer S> }
      ? ConfigOf<N, S>
      : never;

/** The configuration of an instance of the driver `N`, whose section is an `S`. */
type ConfigOf<N extends string, S> = CommonConfigInput & { readonly driver: N } & SectionOf<N, S>;

// By way of Pick<> the key keeps the comment that the driver's package gave it.
type SectionOf<N extends string, S> = {
  readonly [K in keyof Pick<DriverSections, N & keyof DriverSections>]?: S | undefined;
} & { readonly [K in N]?: S | undefined };

/** Those of the drivers `D` that `N` may name. */
type Named<D extends AnyDriver, N> = D extends { readonly name: infer M } ? (N extends M ? D : never) : never;

/** The type of the host that `openHost()` returns for these drivers: `HostOf<typeof drivers>`, or of one driver. */
export type HostOf<D extends AnyDriver | readonly AnyDriver[]> = Host<
  D extends readonly AnyDriver[] ? D[number] : Extract<D, AnyDriver>
>;

/** What `openHost()` takes. Aborting `signal` ends the opening; it has no effect on the host once it is open. */
export interface OpenHostOptions<D extends AnyDriver> extends Abortable {
  /**
   * The folder that holds all state; made 0700 where it is missing. Several processes may open one at the same time.
   */
  readonly root: string;
  /** Those whose instances are to be used; their names must differ. Instances of others are listed, and left alone. */
  readonly drivers: readonly D[];
}

/** What `create()` takes beside the configuration. */
export interface CreateOptions extends ProgressOptions {
  /**
   * How long the instance lives: milliseconds from its creation, or the moment of its end. Default: for ever.
   *
   * It stands on record. Whatever process has the host open when it has passed ends the instance: deletes it if it is
   * ephemeral, else stops it (ten seconds to end in order, then by force). It can then not be started any more, and is
   * there to be looked at, until it is deleted. If no process has the host open, the next `openHost()` sees to it, without
   * waiting for it. The timer keeps no process alive. A clock that was set is noticed within a minute.
   */
  readonly expires?: number | Date | undefined;
}

/** What `ephemeral()` takes beside the configuration. */
export interface EphemeralOptions extends CreateOptions {
  /**
   * Whether to wait until the instance is ready, as its `ready()` does; `{ timeout }` in milliseconds. Default: false. If
   * that fails, nothing is left.
   */
  readonly ready?: boolean | { readonly timeout: number } | undefined;
}

/** What `sweep()` takes. */
export interface SweepOptions extends Abortable {
  /** Only those that have all of these labels, each with exactly this value. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What `list()` takes: which instances, and how each is looked at. Filters that are given must all match. */
export interface ListOptions extends Abortable {
  /** Those that have all of these labels, each with exactly this value. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Those of this kind alone. */
  readonly kind?: InstanceKind | undefined;
  /** A driver that this host was opened without is legal, too: its instances are on record. */
  readonly driver?: string | undefined;
  /**
   * Where the state comes from. `recorded` (default): as it was last put on record; no driver is asked, so a run that
   * ended while no process held it still shows. `live`: as `inspect()` tells it, asked of each driver; an instance that
   * cannot be looked at is `error` with the reason, and one whose driver this host lacks is told as recorded.
   */
  readonly state?: "recorded" | "live" | undefined;
}

/** What `doctor()` found. */
export interface DoctorReport {
  /** The machine itself, and what a person should know of the root. */
  readonly host: HostReport;
  /** What managed networks need. Instances without nics run where it is lacking. */
  readonly networks: HostReport;
  /** What each driver found, by its name. */
  readonly drivers: Readonly<Record<string, HostReport>>;
  /** Printed for a person, one line a fact and a fix a line. */
  toString(): string;
}

/**
 * One root folder, opened: instances, images and networks, and the drivers that run them. Disposing detaches from
 * everything; whatever runs goes on. Calls under way, of images and networks too, reject with {@link ConnectionError},
 * and disposing waits until they have undone what they did; so do later calls, at once. A driver that does not answer
 * holds disposing up for 10 s at most: then it rejects with {@link TimeoutError}, having let go of everything else.
 */
export interface Host<D extends AnyDriver> extends Watchable, AsyncDisposable {
  /** The folder that holds all state, as an absolute path. */
  readonly root: string;
  /** The images of the root. */
  readonly images: Images;
  /** The managed networks of the root. */
  readonly networks: Networks;
  /**
   * Defines an instance and makes its writable root: `stopped`. All or nothing: a failure, an abort or a crash leaves
   * no trace once the host is opened again.
   *
   * @throws {ConfigError} before anything is touched, naming every issue; an unknown key with the nearest known one.
   * Also for an image that the driver cannot run: of another kind, or for other processors than it has.
   * @throws {AlreadyExistsError} when the name is taken. @throws {NotFoundError} when the image or a network is
   * missing.
   */
  create<N extends D["name"]>(
    config: CreateConfig<Named<D, N>> & { readonly driver: N },
    options?: CreateOptions,
  ): Promise<Instance<CapabilitiesOf<D, N>>>;
  /**
   * The instance by name, typed by what all drivers of this host can do; with `driver`, typed by that one.
   *
   * @throws {NotFoundError} also when the instance is of another driver than `driver`.
   */
  get<N extends D["name"] = D["name"]>(
    name: string,
    options?: Abortable & { readonly driver?: N | undefined },
  ): Promise<Instance<CapabilitiesOf<D, N>>>;
  /** The instances that match, sorted by name; without filters all of them. See {@link ListOptions.state}. */
  list(options?: ListOptions): Promise<readonly InstanceInfo[]>;
  /**
   * Creates and starts an instance that is deleted when the handle is disposed; an abort or a failure leaves nothing. A
   * process that dies before, by `^C` too, leaves it and its name taken, for {@link sweep} of any later one.
   */
  ephemeral<N extends D["name"]>(
    config: CreateConfig<Named<D, N>> & { readonly driver: N },
    options?: EphemeralOptions,
  ): Promise<Instance<CapabilitiesOf<D, N>>>;
  /**
   * Deletes the ephemeral instances that dead processes left, and returns their names, sorted. Never one whose process
   * lives, though it has disposed its host; nor one of a process in another pid namespace, which cannot be looked at from
   * here, as long as the machine has not been booted again. Safe at any time, in several processes at once too. Those of
   * drivers that this host lacks stay. One that cannot be deleted does not keep the others; the call then rejects.
   */
  sweep(options?: SweepOptions): Promise<readonly string[]>;
  /** Probes the host and each driver; changes nothing. */
  doctor(options?: Abortable): Promise<DoctorReport>;
}
