import type { z } from "zod";
import type { Abortable, ProgressOptions } from "../flow/abortable.ts";
import type { InstanceConfig } from "../model/config.ts";
import type { IdmapMode } from "../model/idmap.ts";
import type { Architecture, Image } from "../model/image.ts";
import type { Idmap, IdmapLine } from "../terms/idmap.ts";
import type { InstanceKind } from "../terms/instance-kind.ts";
import type { ExitStatus } from "../terms/state.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import type { BackendConsole } from "./backend-console.ts";
import type { BackendDetached } from "./backend-detached.ts";
import type { BackendProcess } from "./backend-process.ts";
import type { CanFreeze, CanMetrics, CanNetwork, Capability, LogStream } from "./capability.ts";
import type { FileOperations } from "./files.ts";
import type { ImageSourcePlugin } from "./image-source.ts";
import type { ImageTree } from "./image-tree.ts";
import type { NicAttachment } from "./nic-attachment.ts";
import type { HostReport } from "./report.ts";

/**
 * A driver: what `lxc()`, `oci()` and `qemu()` return and `openHost()` takes. The type parameters are its name, the
 * capabilities of its instances, and the schema of its configuration section.
 */
export interface Driver<N extends string = string, C extends Capability = Capability, S extends z.ZodType = z.ZodType> {
  /**
   * Selects the driver in a configuration, and is the key of its section there. An RFC 1123 label that is not another
   * key of a configuration.
   */
  readonly name: N;
  /** The kind of its instances. */
  readonly kind: InstanceKind;
  /** What instances of this driver can do at all. {@link RunningCore.lacks} says what a running one lacks *now*. */
  readonly capabilities: ReadonlySet<C>;
  /** The schema of the section of an instance's configuration that has the driver's name. Must accept `undefined`. */
  readonly section: S;
  /** The kinds of images that it can run. */
  readonly accepts: readonly Image["kind"][];
  /** The architectures of images that it can run. Default: the host's own, for programs that run on its processors. */
  readonly architectures?: readonly Architecture[] | undefined;
  /** Image sources that the driver's package adds to `images.import()`. */
  readonly sources?: readonly ImageSourcePlugin[] | undefined;
  /** Examines the host; changes nothing. */
  probe(options?: Abortable): Promise<HostReport>;
  /** Called once by `openHost()`. Must be cheap and must touch nothing. */
  open(context: DriverContext): Backend<C>;
}

/** Any driver: what `openHost()` takes. A driver with any capabilities is assignable to it. */
export interface AnyDriver extends Omit<Driver<string, Capability>, "open"> {
  /** Creates the backend of one host. Called once, by `openHost()`. */
  open(context: DriverContext): Backend<never>;
}

/** What the engine gives to a driver while the host is open. */
export interface DriverContext {
  /** `root/drivers/<name>`: caches that its instances share. The driver creates it on first use, with mode 0700. */
  readonly folder: string;
  /** Ten characters that are unique to this root on the machine: for names of cgroups, interfaces and the like. */
  readonly hostId: string;
}

/** One instance, as a driver sees it. A plain value that does not change later. */
export interface InstanceContext {
  /**
   * The host name inside. It can change while the instance runs, and another instance may have it later: use
   * {@link key} for what is kept. For a run this is the name that it was launched with.
   */
  readonly name: string;
  /** Unique for ever. */
  readonly uuid: string;
  /**
   * Stays the same when the instance is renamed, and is unique in the root: for what the host names after the instance,
   * such as cgroups and paths below /run. The uuid, or the first name of an instance that an early release created.
   */
  readonly key: string;
  /**
   * Checked, with defaults filled in, and with the driver's own section. For a run, and after its end until the next
   * launch, this is the configuration that it was launched with; likewise the image, the ids and the nics.
   */
  readonly config: InstanceConfig;
  /** The image that it was created from, with the process configuration of an OCI image. */
  readonly image: Image;
  /** The content of the image, as files on this host. */
  readonly tree: ImageTree;
  /**
   * The ids of the host that the engine gave to the instance: see {@link Backend.idmap}. Absent when the driver asked
   * for none, and for an instance that a release without {@link Backend.idmap} created.
   */
  readonly idmap?: Idmap | undefined;
  /** The nics of `config.devices`, each with the address and the bridge that its network reserved. */
  readonly nics: readonly NicAttachment[];
  /**
   * What the driver kept of the run's launch: see {@link BackendLaunchOptions.remember}. Absent in `launch()` itself, and for a
   * run that an early release launched.
   */
  readonly remembered?: unknown;
  /**
   * `root/instances/<key>`, mode 0700. All but `instance.json` belongs to the driver; the engine deletes the folder.
   */
  readonly folder: string;
  /** `folder/run`: sockets, pid files. The engine empties it before each launch. */
  readonly run: string;
  /** `folder/log`: kept over restarts. */
  readonly log: string;
}

/** What a driver needs to know of an instance to find its logs. */
export type LogContext = Pick<InstanceContext, "name" | "folder" | "run" | "log">;

/**
 * The path of the newest file of each stream, since the last start. Older parts have the same path with `.1`, `.2` and
 * so on. A file that does not exist is an empty log.
 */
export type PlainLogs = Readonly<Partial<Record<LogStream, string>>>;

/** The ids of the host that an instance needs: the answer of {@link Backend.idmap}. */
export interface IdmapRequest {
  readonly mode: IdmapMode;
  /**
   * `root` (default): the ids inside a container map to them. An instance that was created without never gets any.
   * `process`: a process of the host has them, and no file. They come from a pool of their own, and an instance that was
   * created without gets them at its next start.
   */
  readonly use?: "root" | "process" | undefined;
  /** The number of ids. */
  readonly count: number;
  /** The first id, if the caller chose it. */
  readonly base?: number | undefined;
  /**
   * Ids inside that are ids of accounts of the host: the engine refuses those of other instances, and gives these lines
   * back in {@link InstanceContext.idmap}. They cannot change later.
   */
  readonly extra?: readonly IdmapLine[] | undefined;
  /** The key of the configuration with `base`, for the error when it is not free: `["lxc", "idmap", "base"]`. `extra` is beside it. */
  readonly path: readonly string[];
}

/** Options of {@link Backend.launch}. */
export interface BackendLaunchOptions extends Abortable {
  /**
   * Keeps facts, which must be JSON, with the run: {@link InstanceContext.remembered} has them from then on, in every
   * process. Call it before the first effect that `adopt()` needs them for. A second call replaces the facts.
   */
  readonly remember: (facts: unknown) => Promise<void>;
}

/** The effect of each changed key when a configuration is replaced. */
export interface Plan {
  /** Empty: nothing changes and nothing is refused. */
  readonly changes: readonly {
    /** The key as users write it: `limits.memory`. */
    readonly path: string;
    readonly effect: "live" | "next-start" | "unsupported";
    /** Required for `unsupported`. For `next-start`: why what runs cannot have it at once, if another value could. */
    readonly reason?: string | undefined;
  }[];
}

/** What runs, for a plan. */
export interface PlannedRun {
  /** What the run has now. */
  readonly config: InstanceConfig;
  /** {@link InstanceContext.remembered}. */
  readonly remembered?: unknown;
}

/**
 * What an author of a driver writes; the engine does the rest. For one instance the engine calls one of these at a
 * time, under its lock and after a check of the state. The engine undoes a step
 * that fails or is aborted: a create with `remove()`; a launch with `adopt()`, which finds or clears what was left, and
 * `kill()`.
 */
export interface Backend<C extends Capability = Capability> {
  /**
   * Pure. `before` is absent at create. The plan must then refuse every key of `after` that can never work: a limit
   * that the driver cannot set is `unsupported` with the reason, and the create fails before anything is touched. `run` is
   * absent when nothing runs, or an early release launched it: what is live may depend on how it was launched.
   */
  plan(before: InstanceConfig | undefined, after: InstanceConfig, run?: PlannedRun): Plan;
  /**
   * Pure. The ids of the host that the instance needs for its own: the engine chooses them, so that no two instances of
   * the machine have the same, records them, and gives them back when the instance is deleted. The range of a stopped
   * instance can change, so no file may belong to it. `undefined`, or no method: none.
   */
  idmap?(config: InstanceConfig): IdmapRequest | undefined;
  /** Creates, once, what outlives starts and stops: the writable root. The time must not grow with the image's size. */
  materialize(instance: InstanceContext, options: ProgressOptions): Promise<void>;
  /** Starts the instance. Resolves when it runs, not when it is ready. `adopt()` clears what a failed launch leaves. */
  launch(instance: InstanceContext, options: BackendLaunchOptions): Promise<Running<C>>;
  /**
   * Finds a run that an earlier process started and that still runs. Resolves with `undefined` when there is none,
   * after removing what a dead run left (mounts, cgroups, interfaces).
   */
  adopt(instance: InstanceContext, options: Abortable): Promise<Running<C> | undefined>;
  /**
   * How a run ended that `adopt()` no longer found. Called right after it. When the method is left out or resolves with
   * `undefined`, the exit has the reason `lost`.
   */
  lastExit?(instance: InstanceContext, options: Abortable): Promise<ExitStatus | undefined>;
  /**
   * Removes what `materialize()` created outside the instance's folder, and every mount within it. Idempotent. Also
   * kills what still runs: usually nothing does, but an instance must be deletable even when `adopt()` failed.
   */
  remove(instance: InstanceContext, options: Abortable): Promise<void>;
  /**
   * Pure. Where the output of the instance is, with the capability `logs`: the files that a program writes by itself,
   * without times. Left out by a driver whose instances have a keeper: their log is in {@link InstanceContext.log}.
   */
  logs?(instance: LogContext): PlainLogs;
}

/** One run of an instance, from start to stop: the result of a launch or an adoption. */
export type Running<C extends Capability = Capability> = RunningCore & RunningOperations<C>;

/** What every run has, whatever the capabilities of its driver. */
export interface RunningCore {
  /** Absent when the instance runs on another machine. */
  readonly pid?: number | undefined;
  /**
   * Resolves when the instance has stopped *and* everything that the run held on the host (mounts, interfaces, cgroups,
   * sockets) is released. Must not reject. `undefined`: how it ended is unknown.
   */
  readonly exited: Promise<ExitStatus | undefined>;
  /** Why the instance lacks a capability of its driver *now*: no agent in this guest, for example. */
  lacks?(capability: Capability): string | undefined;
  /**
   * Whether the init inside has ended, so that `exited` will resolve by itself. On a busy host that takes seconds, and a
   * call under way waits for it to say how the instance ended. When absent, such a call waits two seconds.
   */
  isEnding?(): boolean;
  /** See `ready()`. When absent, the instance is ready as soon as it runs. */
  ready?(options: Abortable): Promise<void>;
  /**
   * Changes the run from one configuration to another, which differ in keys that {@link Backend.plan} calls `live`. All or
   * nothing: what fails must leave what was. Called again with the same keys after a crash. Required of a driver whose plan
   * calls any key but `labels` and `env` live.
   */
  update?(change: LiveChange, options: Abortable): Promise<void>;
  /**
   * Asks the instance to stop in order. Resolves when it was asked, not when it has ended; also when it has ended
   * already. May be called right after launch. A driver that keeps asking must stop doing so when the signal aborts,
   * even after this call has resolved: then no caller waits for the end.
   */
  shutdown(options: Abortable): Promise<void>;
  /**
   * Kills the instance, frozen or not. Must work while `shutdown()` or anything else is under way, and without an
   * answer from a peer. Resolves when the kill was sent, not when the instance has ended.
   */
  kill(): Promise<void>;
  /** Closes sockets and listeners and leaves the instance running; `exited` then never settles. */
  detach(): Promise<void>;
}

/** What the engine passes to a driver for one change of a run. */
export interface LiveChange {
  /** What the run has. */
  readonly before: InstanceConfig;
  /** What it is to have. */
  readonly after: InstanceConfig;
  /** Whether devices that go are taken from programs that use them. Default false: {@link InUseError}. */
  readonly force?: boolean | undefined;
}

/** What the engine passes to a driver for one `exec`. Only defaults that need the instance's files are not resolved. */
export interface ExecRequest {
  /** At least one word; the first is looked up on the PATH inside. */
  readonly argv: readonly string[];
  /**
   * The `env` of the config, then of the call. The driver's defaults: the image's, and `PATH HOME USER HOSTNAME TERM`.
   */
  readonly env: Readonly<Record<string, string>>;
  /** When absent: the image's working directory, else `/`. */
  readonly cwd: string | undefined;
  /**
   * A name, `uid` or `uid:gid`, by the instance's own `/etc/passwd`. When absent: the user that the program of an
   * application container runs as, else root.
   */
  readonly user: string | undefined;
  /** A terminal of this size; absent: three pipes. */
  readonly tty: TerminalSize | undefined;
}

/** The driver's operations on a running instance; the engine builds the public ones on them. */
export interface RunningCapabilities {
  exec: {
    /** Starts a program inside. An abort before it resolves leaves no program. */
    exec(request: ExecRequest, options: Abortable): Promise<BackendProcess>;
  };
  detached: { readonly detached: BackendDetached };
  files: { readonly files: FileOperations };
  freeze: CanFreeze & {
    /**
     * Whether the instance is frozen, according to the system. The engine asks after an adoption and after a failed
     * freeze. `undefined`: it cannot be told now, and the record stays as it is.
     */
    isFrozen(options: Abortable): Promise<boolean | undefined>;
  };
  network: CanNetwork;
  metrics: CanMetrics;
  reboot: {
    /**
     * Asks the init inside to restart the system. Resolves when another boot has begun; the engine then waits for
     * `ready()`. Rejects with {@link ConnectionError} when the instance ended instead.
     */
    reboot(options: Abortable): Promise<void>;
  };
  console: {
    /** Opens the console. `keeperConsole()` does so where a keeper holds it. */
    console(options: Abortable): Promise<BackendConsole>;
  };
  // A run has no operation for it: see {@link Backend.logs}. Not `unknown`, which would absorb the rest of the union.
  logs: object;
}

type Intersect<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;
/** What a run has besides {@link RunningCore} for the capabilities `C`. */
export type RunningOperations<C extends Capability> = [C] extends [never] ? unknown : Intersect<RunningCapabilities[C]>;
