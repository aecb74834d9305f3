import type { Idmap, Limits, NicAttachment } from "@pileus/core/driver";

/**
 * One container, as far as liblxc must know it: whatever runs as its PID 1. A plain value; the same one is given to
 * launch, adopt and release.
 */
export interface ContainerSpec {
  /** An RFC 1123 label: liblxc's name of the container, and its host name. */
  readonly name: string;
  /** Tells this root from others on the machine, as `DriverContext.hostId`: for names of cgroups. */
  readonly hostId: string;
  readonly root: RootSpec;
  /** How ids inside stand on the host. Absent: privileged, ids are the host's own. */
  readonly idmap: Idmap | undefined;
  readonly init: InitSpec;
  /** A folder of the run, emptied by the caller before each launch and 0700: for the monitor's log. */
  readonly run: string;
  /**
   * Where PID 1's output goes. `console`: its /dev/console, whose text is kept in `file`; stdin, stdout and stderr are
   * that terminal. `files`: stdout and stderr, each appended to a file of its own, stdin at its end, no terminal.
   */
  readonly output:
    | { readonly kind: "console"; readonly file: string }
    | { readonly kind: "files"; readonly stdout: string; readonly stderr: string };
  readonly nics: readonly NicAttachment[];
  readonly limits: Limits;
  /** Settings of the kernel that the container has for itself, those of its network namespace: sysctl(8). */
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  /** Empty folders in memory, mounted before PID 1 starts. */
  readonly tmpfs?: readonly TmpfsSpec[] | undefined;
  /** What every `exec` starts from; the request's own win. */
  readonly exec?: ExecDefaults | undefined;
}

/** The writable root: an overlay over an image's layers. All folders are the host's, absolute. */
export interface RootSpec {
  /** Bottom first, in overlayfs' own form, owners as the image has them: `ImageTree.layers`. */
  readonly layers: readonly string[];
  /** What the instance changed; made by {@link makeRoot} with its `work` beside it. */
  readonly folder: string;
}

/** A folder in memory. */
export interface TmpfsSpec {
  /** Absolute, inside. Made where it is missing. */
  readonly path: string;
  /** Default 0o755. */
  readonly mode?: number | undefined;
}

/** PID 1: what it is, whom it runs as, and how it is asked to end. */
export interface InitSpec {
  /**
   * What kind of program it is, where that matters: `ready()` of a `systemd` waits for the end of its boot. Default
   * `other`.
   */
  readonly kind?: "systemd" | "other" | undefined;
  /**
   * What is PID 1. `program` (default): the program of `argv`. `reaper`: a small init of ours, which starts the program,
   * reaps whatever ends, forwards signals to the program and ends with it, by its exit code or by 128 plus its signal.
   * `idle`: that init alone, without a program, until SIGTERM.
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
  /** Absolute, inside; must exist. Default `/`. */
  readonly cwd?: string | undefined;
  /** The whole environment but for `container=lxc`, which liblxc adds. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The number of the signal that asks for an orderly end. */
  readonly haltSignal: number;
  /** Forbids to gain rights by executing a file: setuid bits do nothing. Default false. */
  readonly noNewPrivileges?: boolean | undefined;
}

/** What every program of `exec` has that its request does not say. */
export interface ExecDefaults {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** As in `ExecOptions.user`. */
  readonly user?: string | undefined;
}
