import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CommandError, HostError } from "../errors/all.ts";
import { type CgroupLayout, isWritableFolder, readCgroupLayout } from "./cgroup.ts";
import { findTool } from "./find-tool.ts";
import { removeCgroup } from "./remove-cgroup.ts";

/**
 * Where a process gets a cgroup of its own on this host.
 *
 * - `scope`: in a transient scope that systemd makes, because a cgroup tree has one writer (systemd's "Control Group APIs
 *   and Delegation").
 * - `folders`: in a folder at the root of each of these mounts, as liblxc does it.
 * - `none`: nowhere. It stays in the cgroup of this process.
 */
export type CgroupPlace =
  | { readonly kind: "scope" }
  | { readonly kind: "folders"; readonly mounts: readonly string[] }
  | { readonly kind: "none"; readonly reason: string };

/** Who makes cgroups on this host. */
export interface CgroupMaker {
  readonly isRoot: boolean;
  /** Whether systemd runs and can be asked for a scope. */
  readonly hasSystemd: boolean;
}

/** Finds the place for cgroups of our own. Starts no process and changes nothing. */
export function findCgroupPlace(
  layout: CgroupLayout = readCgroupLayout(),
  { isRoot, hasSystemd }: CgroupMaker = findCgroupMaker(),
): CgroupPlace {
  if (!isRoot) return { kind: "none", reason: "only root may make one" };
  if (hasSystemd) return { kind: "scope" };
  const mounts = layout.hierarchies.map(({ path }) => path).filter(isWritableFolder);
  if (mounts.length > 0) return { kind: "folders", mounts };
  return { kind: "none", reason: layout.hierarchies.length === 0 ? "none is mounted" : "they are read-only here" };
}

/** Looks at this host; the parameters are for tests. */
export function findCgroupMaker(
  exists: (path: string) => boolean = existsSync,
  find: (name: string) => string | undefined = findTool,
): CgroupMaker {
  // sd_booted(3).
  const hasSystemd = exists("/run/systemd/system") && find("systemd-run") !== undefined;
  return { isRoot: process.geteuid?.() === 0, hasSystemd };
}

/**
 * The command line of a program that outlives the service that starts it: the process enters a cgroup of its own, then
 * becomes the program, with the same pid, descriptors and standard streams. A service manager ends a service by killing
 * everything in the service's cgroup (systemd.kill(5), KillMode=), including processes with a session of their own. If
 * no cgroup can be made here, the command line is `argv`. If a cgroup can be made but not entered, the process ends
 * with 1 and the reason on stderr, and the program does not run.
 *
 * `name` is unique on this machine and has no `/`. The cgroup has no limits. Remove it by {@link removeOwnCgroup}.
 */
export function inOwnCgroup(name: string, argv: readonly string[], place = findCgroupPlace()): readonly string[] {
  return ownCgroup(name, place).enter(argv);
}

/** A cgroup of its own, before a program enters it. */
export interface OwnCgroup {
  /** Its path below the root of each hierarchy. `undefined`: none can be made here. */
  readonly path: string | undefined;
  /** The command line of {@link inOwnCgroup}. */
  enter(argv: readonly string[]): readonly string[];
}

/** The cgroup that a program gets by {@link inOwnCgroup}. */
export function ownCgroup(name: string, place = findCgroupPlace()): OwnCgroup {
  if (place.kind === "none") return { path: undefined, enter: (argv) => argv };
  if (place.kind === "folders") {
    const folders = place.mounts.map((mount) => join(mount, name));
    return { path: name, enter: (argv) => ["sh", "-c", enter(folders.length), "sh", ...folders, ...argv] };
  }
  // systemd may still know the scope of an earlier process when the next one starts: each has its own name.
  const unit = `${name}-${randomBytes(4).toString("hex")}.scope`;
  const run = ["systemd-run", "--scope", "--quiet", "--collect", `--unit=${unit}`, ...SCOPE, "--"];
  return { path: `${SLICE}/${unit}`, enter: (argv) => [...run, ...argv] };
}

/**
 * The folders of a cgroup of its own for a program that makes and enters them itself, beside those of liblxc: one in each
 * hierarchy, also where systemd runs the host. None where no cgroup can be made. Remove them by {@link removeOwnCgroup}.
 */
export function ownCgroupFolders(name: string, layout: CgroupLayout = readCgroupLayout()): readonly string[] {
  const place = findCgroupPlace(layout, { isRoot: process.geteuid?.() === 0, hasSystemd: false });
  return place.kind === "folders" ? place.mounts.map((mount) => join(mount, name)) : [];
}

/**
 * The error to throw instead of a command line's from {@link inOwnCgroup}, if the cgroup could not be made and the
 * program therefore never ran; else `error` itself. `action` is what the program was for.
 */
export function cgroupFailure(action: string, error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  const reason = error.stderr.split("\n").find((line) => REFUSED.test(line));
  if (reason === undefined) return error;
  const fix = reason.startsWith(NOT_ENTERED)
    ? "mount the cgroup file systems for writing, or let this process make cgroups at their root"
    : "see `systemctl status` and `journalctl -u init.scope`: systemd must be able to make scopes";
  return new HostError(action, [{ need: "cgroup", reason, fix }], { cause: error });
}

const NOT_ENTERED = "no cgroup of its own";
/** What `enter` prints, and systemd-run(1) before it becomes the program. */
const REFUSED = new RegExp(
  `^${NOT_ENTERED}|^Failed to (?:start transient scope unit|connect to .*bus|create bus connection)`,
);

/**
 * Kills what is left in the cgroups of this name and removes them. systemd removes a scope by itself when its last
 * process has ended. Idempotent.
 */
export async function removeOwnCgroup(name: string, layout: CgroupLayout = readCgroupLayout()): Promise<void> {
  await Promise.all(layout.hierarchies.map(({ path }) => removeCgroup(join(path, name))));
}

/**
 * A script that makes and enters the folders that are its first arguments, then becomes the program behind them.
 * cgroup-v1/cpusets.rst: no process enters a set without processors and memory.
 */
function enter(count: number): string {
  const folders = Array.from({ length: count }, (_, index) => `"\${${index + 1}}"`).join(" ");
  return `refuse() { echo "${NOT_ENTERED}: $1 cannot be made or entered" >&2; exit 1; }
for folder in ${folders}; do
  mkdir -p "$folder" || refuse "$folder"
  for set in cpuset.cpus cpuset.mems; do
    [ ! -e "$folder/$set" ] || [ ! -e "\${folder%/*}/$set" ] || cat "\${folder%/*}/$set" >"$folder/$set" || refuse "$folder"
  done
  echo $$ >"$folder/cgroup.procs" || refuse "$folder"
done
shift ${count}
exec "$@"`;
}

const SLICE = "system.slice";

/**
 * Without the default dependencies the scope is not stopped when a shutdown begins, but with the last processes of the
 * host: until then a service can ask its machines to halt. system.slice is never stopped either (systemd.special(7)).
 */
const SCOPE = [`--slice=${SLICE}`, "--property=DefaultDependencies=no"] as const;
