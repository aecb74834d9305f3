import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Abortable, ProgressOptions } from "../contract/abortable.ts";
import type { CanFreeze, CanMetrics, CanNetwork, Capability, LogStream } from "../contract/capability.ts";
import type { Missing } from "../contract/errors.ts";
import type { FileOperations } from "../contract/files.ts";
import type { InstanceKind } from "../contract/instance.ts";
import type { TerminalSize } from "../contract/process.ts";
import type { ExitStatus } from "../contract/state.ts";
import type { ImageTree } from "../images/tree.ts";
import type { InstanceConfig } from "../model/config.ts";
import type { Architecture, Image } from "../model/image.ts";
import type { NicAttachment } from "../network/attachment.ts";
import type { ImageSourcePlugin } from "./image-source.ts";
import type { BackendProcess } from "./process.ts";

/** What a driver finds on this host. */
export interface HostReport {
  /** Whether instances can be created and started. */
  readonly usable: boolean;
  /** What is lacking for use. Empty exactly when `usable`. */
  readonly missing: readonly Missing[];
  /** Facts worth knowing, in the order to print them: versions, the accelerator in use and why, the cgroup layout. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

/**
 * A driver, as `lxc()` and its like return it and `openHost()` takes it. The type parameters carry, in this order, its
 * name, what its instances can do, and the schema of its section of the configuration.
 */
export interface Driver<N extends string = string, C extends Capability = Capability, S extends z.ZodType = z.ZodType> {
  /**
   * What a configuration picks it by, and the key of its section there: an RFC 1123 label that is no other key of a
   * configuration.
   */
  readonly name: N;
  /** What its instances are. */
  readonly kind: InstanceKind;
  /** What instances of this driver can ever do. What one can do *now* is asked of it. */
  readonly capabilities: ReadonlySet<C>;
  /** The section of an instance's configuration that bears the driver's name; must accept `undefined`. */
  readonly section: S;
  /** Which images it can run. */
  readonly accepts: readonly Image["kind"][];
  /** For which architectures. Default: the host's own, as for programs that the host's processors run. */
  readonly architectures?: readonly Architecture[] | undefined;
  /** Kinds of source that the driver's package adds to `images.import()`. */
  readonly sources?: readonly ImageSourcePlugin[] | undefined;
  /** Looks at the host; changes nothing. */
  probe(options?: Abortable): Promise<HostReport>;
  /** Called once by `openHost()`. Must be cheap and touch nothing. */
  open(context: DriverContext): Backend<C>;
}

/** Any driver: what `openHost()` takes. A driver that can do more is assignable to it. */
export interface AnyDriver extends Omit<Driver<string, Capability>, "open"> {
  /** Makes the backend that serves one host. Called once, by `openHost()`. */
  open(context: DriverContext): Backend<never>;
}

/** What the engine lends to a driver for as long as the host is open. */
export interface DriverContext {
  /** `root/drivers/<name>`, made on first use by the driver: caches shared by its instances. 0700. */
  readonly folder: string;
  /** Ten characters that tell this root from others on the machine: for names of cgroups, interfaces and the like. */
  readonly hostId: string;
}

/** One instance, as the engine shows it to a driver. A plain value: nothing here changes under the driver's hands. */
export interface InstanceContext {
  /** Free for another instance once this one is deleted. */
  readonly name: string;
  /** Its own for ever. */
  readonly uuid: string;
  /** Valid, defaults filled in, the driver's own section included. */
  readonly config: InstanceConfig;
  /** What it was made of, with what an OCI image says of its process. */
  readonly image: Image;
  /** The image's content as files of this host. */
  readonly tree: ImageTree;
  /** The nics of `config.devices`, with the address and the bridge that the network reserved for each. */
  readonly nics: readonly NicAttachment[];
  /** `root/instances/<name>`: the driver's, but for `instance.json`. 0700; deleted as a whole by the engine. */
  readonly folder: string;
  /** `folder/run`, emptied before each launch: sockets, pid files. */
  readonly run: string;
  /** `folder/log`, kept over restarts. */
  readonly log: string;
}

/** What becomes of each changed key when a configuration is replaced. */
export interface Plan {
  /** Empty: nothing to object to, and nothing changes. */
  readonly changes: readonly {
    /** The key, as a person writes it: `limits.memory`. */
    readonly path: string;
    readonly effect: "live" | "next-start" | "unsupported";
    /** Required where unsupported. */
    readonly reason?: string | undefined;
  }[];
}

/**
 * What an author of a driver writes; the engine completes it. The engine calls at most one of these at a time for one
 * instance, holding its lock; it has checked the state. What fails or is aborted it undoes: a create by `remove()`, a
 * launch by `adopt()`, which finds or clears what was left, and `kill()`.
 */
export interface Backend<C extends Capability = Capability> {
  /**
   * Pure. `before` is absent at create, where `after` must be refused as far as it can never work: a limit that the
   * driver cannot set is `unsupported` with the reason, and the create fails before anything is touched.
   */
  plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan;
  /** Makes, once, what outlives starts and stops: the writable root. In the image's size, O(1). */
  materialize(instance: InstanceContext, options: ProgressOptions): Promise<void>;
  /** Starts it. Resolves when it runs (not: is ready). What it leaves behind on failure, `adopt()` clears. */
  launch(instance: InstanceContext, options: Abortable): Promise<Running<C>>;
  /**
   * Finds what a former process started and still runs; `undefined` when nothing does, after cleaning up what a dead
   * one left (mounts, cgroups, interfaces).
   */
  adopt(instance: InstanceContext, options: Abortable): Promise<Running<C> | undefined>;
  /**
   * How a run ended that `adopt()` did not find any more: asked right after it. Left out, or `undefined`, where nobody
   * can know: the instance is then said to be `lost`.
   */
  lastExit?(instance: InstanceContext, options: Abortable): Promise<ExitStatus | undefined>;
  /**
   * Removes what `materialize()` made outside of the instance's folder, and any mount within it. Idempotent. Ends by
   * force what still runs: mostly nothing does, but an `adopt()` that failed is no reason to keep an instance.
   */
  remove(instance: InstanceContext, options: Abortable): Promise<void>;
  /** Required with the capability `logs`: works stopped, too. */
  logs?(instance: InstanceContext, stream: LogStream, options: Abortable): Promise<Readable>;
}

/** What a launch or an adoption leaves in the engine's hands: one run of an instance, from start to stop. */
export type Running<C extends Capability = Capability> = RunningCore & RunningOperations<C>;

/** What every run has, whatever the driver can do. */
export interface RunningCore {
  /** Absent where the instance runs on another machine. */
  readonly pid?: number | undefined;
  /**
   * Resolves, exactly once and never rejecting, when the instance has stopped *and* what the run held on the host
   * (mounts, interfaces, cgroups, sockets) is released. `undefined`: ended, nobody knows how.
   */
  readonly exited: Promise<ExitStatus | undefined>;
  /** A reason why the capability is lacking *now*, though the driver has it: no agent in this guest. */
  lacks?(capability: Capability): string | undefined;
  /** See `ready()`. Absent: ready as soon as it runs. */
  ready?(options: Abortable): Promise<void>;
  /**
   * Asks for an orderly end; returns when asked, not when ended. May be called right after launch; resolves when it has
   * ended already. Where it goes on asking, it stops when the signal aborts, later than its return too: nobody waits
   * for the end any more.
   */
  shutdown(options: Abortable): Promise<void>;
  /**
   * Ends it by force, frozen or not; must work when `shutdown()` or anything else is under way, and without an answer
   * from anybody. Resolves when told, not when ended.
   */
  kill(): Promise<void>;
  /** Lets go of sockets and listeners and leaves the instance running; `exited` then never settles. */
  detach(): Promise<void>;
}

/** What the engine asks of a driver for one `exec`, every default resolved but those that need the instance's files. */
export interface ExecRequest {
  /** At least one word; the first is looked up on the PATH inside. */
  readonly argv: readonly string[];
  /** The config's `env`, then the call's. The driver puts the image's and `PATH HOME USER HOSTNAME TERM` below it. */
  readonly env: Readonly<Record<string, string>>;
  /** Absent: the image's working directory, else `/`. */
  readonly cwd: string | undefined;
  /**
   * A name, `uid` or `uid:gid`, by the instance's own `/etc/passwd`. Absent: the user that the program of an
   * application container runs as, else root.
   */
  readonly user: string | undefined;
  /** A terminal of this size; absent: three pipes. */
  readonly tty: TerminalSize | undefined;
}

/** The operations of a running instance that the engine builds the public ones on. */
export interface RunningCapabilities {
  exec: {
    /** Starts a program inside. An abort before it resolves leaves no program behind. */
    exec(request: ExecRequest, options: Abortable): Promise<BackendProcess>;
  };
  files: { readonly files: FileOperations };
  freeze: CanFreeze & {
    /**
     * Whether it is frozen, asked of the system: what the record says after an adoption, or a freeze that failed.
     * `undefined` where that cannot be told now: what the record said stands.
     */
    isFrozen(options: Abortable): Promise<boolean | undefined>;
  };
  network: CanNetwork;
  metrics: CanMetrics;
  // Nothing of a run: {@link Backend.logs}. Not `unknown`, which would swallow the other members of the union.
  logs: object;
}

type Intersect<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;
/** What a run has beside {@link RunningCore} for the capabilities `C`; for none, nothing. */
export type RunningOperations<C extends Capability> = [C] extends [never] ? unknown : Intersect<RunningCapabilities[C]>;
