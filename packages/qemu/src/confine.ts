import type { MachineUser } from "./machine-user.ts";

/** A user and its supplementary groups. */
export interface ConfinedUser extends MachineUser {
  readonly groups: readonly number[];
  /** No other process has this user, so its threads can be counted. Default false. */
  readonly isAlone?: boolean | undefined;
}

/** A machine has seventeen monitors, up to thirty ports of the agent, some disks and nics, and a descriptor for each of a few threads. */
const DESCRIPTORS = 4096;

/** A machine has a thread for each processor, and up to 64 that serve its disks. */
const THREADS = 4096;

/**
 * The command line that runs `argv` without core dumps and with stated limits of descriptors and, if it is alone with
 * its user, of threads: prlimit(1). With a user, the program has no capability from its first instruction on, and
 * neither it nor a program that it starts can get one: setpriv(1). Pure.
 *
 * There is no limit of file sizes (RLIMIT_FSIZE): a guest may write its whole disk.
 */
export function confined(argv: readonly string[], user: ConfinedUser | undefined): readonly string[] {
  const threads = user?.isAlone ? [`--nproc=${THREADS}:${THREADS}`] : [];
  const limits = ["prlimit", "--core=0:0", `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, ...threads, "--"];
  if (user === undefined) return [...limits, ...argv];
  const groups = user.groups.length === 0 ? "--clear-groups" : `--groups=${user.groups.join(",")}`;
  return [
    ...limits,
    ...["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, groups],
    ...["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"],
    ...argv,
  ];
}
