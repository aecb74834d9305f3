import type { MachineUser } from "./machine-user.ts";

/** A user and its supplementary groups. */
export interface ConfinedUser extends MachineUser {
  readonly groups: readonly number[];
}

/** A machine has four monitors, some disks and nics, and a descriptor for each of a few threads. */
const DESCRIPTORS = 4096;

/**
 * The command line that runs `argv` without core dumps and with a stated limit of descriptors: prlimit(1). With a user,
 * the program has no capability from its first instruction on, and neither it nor a program that it starts can get one:
 * setpriv(1). Pure.
 */
export function confined(argv: readonly string[], user: ConfinedUser | undefined): readonly string[] {
  const limits = ["prlimit", "--core=0:0", `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`, "--"];
  if (user === undefined) return [...limits, ...argv];
  const groups = user.groups.length === 0 ? "--clear-groups" : `--groups=${user.groups.join(",")}`;
  return [
    ...limits,
    ...["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, groups],
    ...["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"],
    ...argv,
  ];
}
