import type { z } from "zod";
import type { Abortable, ProgressOptions } from "../flow/abortable.ts";
import type { CommonConfigInput } from "../model/config.ts";
import type { InstanceKind } from "../terms/instance-kind.ts";
import type { AnyDriver } from "./backend.ts";
import type { Capability } from "./capability.ts";
import type { Watchable } from "./events.ts";
import type { Images } from "./images.ts";
import type { Instance, InstanceInfo } from "./instance.ts";
import type { Networks } from "./networks.ts";
import type { HostReport } from "./report.ts";

/** The capabilities of the driver named `N` among `D`. If `N` names several, those that all of them have. */
export type CapabilitiesOf<D extends AnyDriver, N> = CommonCapabilities<D extends { name: N } ? D : never>;

type CommonCapabilities<D> = [D] extends [never]
  ? never
  : { [K in Capability]: [Lacking<D, K>] extends [never] ? K : never }[Capability];
type Lacking<D, K> = D extends { capabilities: ReadonlySet<infer C> } ? (K extends C ? never : D) : never;

/**
 * The configuration section of each driver, by the driver's name. Empty here: each driver package adds its own, so that
 * a program knows the sections of the packages that it imports.
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
 * What `create()` takes: the common keys, and the section of the driver that `driver` names. Write
 * `CreateConfig<"lxc">` when the driver's package adds it to {@link DriverSections}, else the
 * type of the driver, as in `CreateConfig<ReturnType<typeof chroot>>`.
 */
export type CreateConfig<D extends AnyDriver | keyof DriverSections = keyof DriverSections> =
  D extends keyof DriverSections
    ? ConfigOf<D, DriverSections[D]>
    : D extends { name: infer N extends string; section: z.ZodType<unknown, infer S> }
      ? ConfigOf<N, S>
      : never;

/** {@link CreateConfig} of the driver `N`, whose section is an `S`, as one object: the keys keep their comments. */
type ConfigOf<N extends string, S> = { readonly [K in keyof ConfigFor<N, S>]: ConfigFor<N, S>[K] };

// The calls of a host take the parts: through a mapped type, a host of some drivers would not be a `Host<AnyDriver>`.
// As the parameter's whole type, this is also the name that an editor shows.
type ConfigFor<N extends string, S> = ConfigHead<N> & SectionOf<N, S>;

/** The keys that an instance of any driver has. */
interface ConfigHead<N extends string> extends CommonConfigInput {
  readonly driver: N;
}

// Through Pick<> the key keeps the comment from the driver's package.
type SectionOf<N extends string, S> = N extends keyof DriverSections
  ? { readonly [K in keyof Pick<DriverSections, N>]?: S | undefined }
  : { readonly [K in N]?: S | undefined };

/** What `create()` takes for the driver among `D` that `N` names. The compiler infers `N` from {@link ConfigFor}. */
type Accepted<D extends AnyDriver, N extends string> = D extends { name: infer M; section: z.ZodType<unknown, infer S> }
  ? N extends M
    ? ConfigFor<N, NonNullable<S>>
    : never
  : never;

/** The type of the host that `openHost()` returns for these drivers: `HostOf<typeof drivers>`, or of one driver. */
export type HostOf<D extends AnyDriver | readonly AnyDriver[]> = Host<
  D extends readonly AnyDriver[] ? D[number] : Extract<D, AnyDriver>
>;

/** What `openHost()` takes. Aborting `signal` ends the opening; it has no effect on the host once it is open. */
export interface OpenHostOptions<D extends AnyDriver> extends Abortable {
  /**
   * The folder that holds all state. A missing one is created with mode 0700. Several processes may open it at the same
   * time.
   */
  readonly root: string;
  /** The drivers to use; their names must differ. Instances of other drivers are listed, but left alone. */
  readonly drivers: readonly D[];
}

/** What `create()` takes beside the configuration. */
export interface CreateOptions extends ProgressOptions {
  /**
   * How long the instance lives: milliseconds from its creation, or the moment of its end. Default: for ever.
   *
   * The lifetime is recorded on disk. When it has passed, any process that has the host open ends the instance: it
   * deletes an ephemeral one, and stops any other (with ten seconds for an orderly stop, then by force). A stopped
   * instance can then be inspected until it is deleted, but never started again. If no process has the host open, the
   * next `openHost()` ends the instance in the background. The timer keeps no process alive. A change of the system
   * clock is noticed within a minute.
   */
  readonly expires?: number | Date | undefined;
}

/** What `ephemeral()` takes beside the configuration. */
export interface EphemeralOptions extends CreateOptions {
  /**
   * Whether to wait until the instance is ready, as its `ready()` does; `{ timeout }` is in milliseconds. Default:
   * false. If the wait fails, nothing of the instance is left.
   */
  readonly ready?: boolean | { readonly timeout: number } | undefined;
}

/** What `get()` takes beside the name. */
export interface GetOptions<N extends string = string> extends Abortable {
  /** The driver that must run the instance; the returned type then has its capabilities. Default: any driver. */
  readonly driver?: N | undefined;
}

/** What `sweep()` takes. */
export interface SweepOptions extends Abortable {
  /** Only the instances that have all of these labels, each with exactly this value. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What `list()` takes: which instances, and where their states come from. All given filters must match. */
export interface ListOptions extends Abortable {
  /** Only the instances that have all of these labels, each with exactly this value. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Only the instances of this kind. */
  readonly kind?: InstanceKind | undefined;
  /** May also name a driver that this host was opened without: its instances are on record. */
  readonly driver?: string | undefined;
  /**
   * Where the state comes from. `recorded` (default): the last recorded state. No driver is asked, so an instance that
   * ended while no process had its host open may still be listed as running. `live`: asks each driver, as `inspect()`
   * does. An instance that cannot be inspected is then `error` with the reason; one whose driver this host lacks is
   * listed as recorded.
   */
  readonly state?: "recorded" | "live" | undefined;
}

/** What `doctor()` found. */
export interface DoctorReport {
  /** The machine itself, and findings about the root folder. */
  readonly host: HostReport;
  /** What managed networks need. Instances without nics run without it. */
  readonly networks: HostReport;
  /** The report of each driver, by its name. */
  readonly drivers: Readonly<Record<string, HostReport>>;
  /** A readable report: one line for each fact and each fix. */
  toString(): string;
}

/**
 * One opened root folder: instances, images and networks, and the drivers that run them. Disposing detaches from
 * everything; running instances keep running. Calls under way, those of images and networks too, reject with
 * {@link ConnectionError}, and disposing waits until they have undone what they did. Later calls reject with it at
 * once. A driver that does not answer delays disposing by 10 s at most: disposing then releases everything else and
 * rejects with {@link TimeoutError}.
 */
export interface Host<D extends AnyDriver> extends Watchable, AsyncDisposable {
  /** The folder that holds all state, as an absolute path. */
  readonly root: string;
  /** The images of the root. */
  readonly images: Images;
  /** The managed networks of the root. */
  readonly networks: Networks;
  /**
   * Defines an instance and creates its writable root. The new instance is `stopped`. All or nothing: a failure or an
   * abort leaves no trace, and neither does a crash once the host is opened again.
   *
   * @throws {ConfigError} before anything is touched. It names every issue, and for an unknown key the nearest known
   * one. Also for an image that the driver cannot run: one of another kind, or for another processor architecture.
   * @throws {AlreadyExistsError} when the name is taken. @throws {NotFoundError} when the image or a network is
   * missing.
   */
  create<N extends D["name"]>(config: Accepted<D, N>, options?: CreateOptions): Promise<Instance<CapabilitiesOf<D, N>>>;
  /**
   * The instance of that name. Its type has the capabilities that all drivers of this host have; with `driver`, the
   * capabilities of that driver.
   *
   * @throws {NotFoundError} also when another driver than `driver` runs the instance.
   */
  get<N extends D["name"] = D["name"]>(name: string, options?: GetOptions<N>): Promise<Instance<CapabilitiesOf<D, N>>>;
  /** The instances that match, sorted by name; all of them without filters. See {@link ListOptions.state}. */
  list(options?: ListOptions): Promise<readonly InstanceInfo[]>;
  /**
   * Creates and starts an instance that is deleted when the handle is disposed. An abort or a failure leaves nothing.
   * If the process dies first, by `^C` for example, the instance stays and its name stays taken until a later process
   * calls {@link sweep}.
   */
  ephemeral<N extends D["name"]>(
    config: Accepted<D, N>,
    options?: EphemeralOptions,
  ): Promise<Instance<CapabilitiesOf<D, N>>>;
  /**
   * Deletes the ephemeral instances that dead processes left, also half made and half deleted ones, and returns their
   * names, sorted. It never deletes an instance whose process lives, even if that process has disposed its host. An
   * instance of a process in another pid namespace stays until the machine boots again, because that process cannot be
   * seen from here. Instances of drivers that this host lacks stay too. The call is safe at any time, also in several
   * processes at once. If one instance cannot be deleted, the others still are, and the call then rejects.
   */
  sweep(options?: SweepOptions): Promise<readonly string[]>;
  /** Probes the machine and each driver; changes nothing. */
  doctor(options?: Abortable): Promise<DoctorReport>;
}
