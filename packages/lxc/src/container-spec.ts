import type { Devices } from "@pileus/core";
import type { Idmap, Limits, LogBounds, NicAttachment } from "@pileus/core/driver";
import type { ConfinementSpec } from "./confinement.ts";

/**
 * One container as liblxc must know it, with any program as its PID 1. A plain value: launch, adopt and release get the
 * same one.
 */
export interface ContainerSpec {
  /** An RFC 1123 label: liblxc's name of the container. It stays the same when the instance is renamed. */
  readonly name: string;
  /** An RFC 1123 label: the host name inside, and what to call the container in messages. */
  readonly hostName: string;
  /** Distinguishes this root from others on the machine, like `DriverContext.hostId`. Part of the names of cgroups. */
  readonly hostId: string;
  readonly root: RootSpec;
  /** How ids inside map to ids of the host. If absent, the container is privileged: its ids are the host's own. */
  readonly idmap: Idmap | undefined;
  readonly init: InitSpec;
  /** What its programs may do. Default: that of a system container. */
  readonly confinement?: ConfinementSpec | undefined;
  /** The folder of the run for its keeper. It has mode 0700, and the caller empties it before each launch. */
  readonly run: string;
  /** The folder of the log, `output.log`: see docs/design/0015-keeper.md. */
  readonly log: string;
  /** How much of it is kept. Default: see {@link LogBounds}. */
  readonly logBounds?: LogBounds | undefined;
  /**
   * The streams of PID 1. `console`: stdin, stdout and stderr are its /dev/console. `pipes`: stdout and stderr are two
   * pipes that belong to `owner`, in ids of the host; stdin is at its end, and there is no terminal.
   */
  readonly output:
    | { readonly kind: "console" }
    | { readonly kind: "pipes"; readonly owner: { readonly uid: number; readonly gid: number } };
  readonly nics: readonly NicAttachment[];
  readonly limits: Limits;
  /** The devices of the configuration, of which the disks are mounted here. Default: none. */
  readonly devices?: Devices | undefined;
  /** Kernel settings of the container's own network namespace: sysctl(8). */
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  /** Empty folders in memory, mounted before PID 1 starts. */
  readonly tmpfs?: readonly TmpfsSpec[] | undefined;
  /** Defaults of every `exec`. The values of a request override them. */
  readonly exec?: ExecDefaults | undefined;
}

/** The writable root: an overlay over an image's layers. All folders are the host's, absolute. */
export interface RootSpec {
  /** Bottom first, in overlayfs' own form, with the owners of the image: `ImageTree.layers`. */
  readonly layers: readonly string[];
  /** Whether the changes belong to ids of the host on disk, as earlier releases made them. Default false: to ids inside. */
  readonly mappedOnDisk?: boolean | undefined;
  /** The folder with the instance's changes; {@link makeRoot} makes it, with its `work` beside it. */
  readonly folder: string;
}

/** A tmpfs. */
export interface TmpfsSpec {
  /** An absolute path inside. Made if it is missing. */
  readonly path: string;
  /** Default 0o755. */
  readonly mode?: number | undefined;
}

/** PID 1: its program, its user, and the signal that asks it to end. */
export interface InitSpec {
  /** The kind of program, if it matters: `ready()` of a `systemd` waits for the end of its boot. Default `other`. */
  readonly kind?: "systemd" | "other" | undefined;
  /**
   * What runs as PID 1. `program` (default): the program of `argv`. `reaper`: our small init, which starts the program,
   * reaps ended processes, forwards signals to the program and ends with it, with its exit code or with 128 plus its
   * signal. `idle`: that init alone, without a program, until SIGTERM.
   */
  readonly role?: "program" | "reaper" | "idle" | undefined;
  /**
   * The program and its arguments, exactly: quotes, spaces, newlines and empty arguments survive. Found by absolute
   * path, or by PATH of `env`.
   */
  readonly argv: readonly string[];
  /** Ids inside. Default 0. */
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly groups?: readonly number[] | undefined;
  /** An absolute path inside; must exist. Default `/`. */
  readonly cwd?: string | undefined;
  /** The whole environment, except `container=lxc`, which liblxc adds. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The number of the signal that asks for an orderly end. */
  readonly haltSignal: number;
  /** The number of the signal that asks for a restart of the system. Default SIGINT, as of liblxc. */
  readonly rebootSignal?: number | undefined;
}

/** Defaults for programs of `exec`, where the request gives no value. */
export interface ExecDefaults {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** As in `ExecOptions.user`. */
  readonly user?: string | undefined;
}
