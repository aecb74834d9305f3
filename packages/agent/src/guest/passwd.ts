import { readFileSync } from "node:fs";

/** Who a program runs as. */
export interface GuestUser {
  readonly name: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** Supplementary groups beside `gid`. */
  readonly groups: readonly number[];
}

/** The folder with `passwd` and `group`: the guest's own, and another in tests. */
export const ETC = "/etc";

/** Finds `user`, by name or as `uid` or `uid:gid`, in the guest's own files. Undefined: there is no such name. */
export function findUser(user: string | undefined, etc: string = ETC): GuestUser | undefined {
  if (user === undefined) return { name: "root", uid: 0, gid: 0, home: homeOf(0, etc), groups: [] };
  const numeric = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(user);
  const entries = lines(`${etc}/passwd`);
  const uid = numeric === null ? undefined : Number(numeric[1]);
  const entry = entries.find((fields) => (uid === undefined ? fields[0] === user : Number(fields[2]) === uid));
  if (entry === undefined && uid === undefined) return undefined;
  const name = entry?.[0];
  const gid = numeric?.[2] === undefined ? Number(entry?.[3] ?? 0) : Number(numeric[2]);
  // A group that was asked for by number stands alone.
  const groups = name === undefined || numeric?.[2] !== undefined ? [] : groupsOf(name, gid, etc);
  return { name, uid: uid ?? Number(entry?.[2]), gid, home: entry?.[5] || "/", groups };
}

function homeOf(uid: number, etc: string): string {
  const entry = lines(`${etc}/passwd`).find((fields) => Number(fields[2]) === uid);
  return entry?.[5] || "/root";
}

function groupsOf(name: string, gid: number, etc: string): number[] {
  return lines(`${etc}/group`)
    .filter((fields) => (fields[3] ?? "").split(",").includes(name))
    .map((fields) => Number(fields[2]))
    .filter((group) => group !== gid && Number.isInteger(group));
}

// passwd(5), group(5). A guest without the file has no names.
function lines(file: string): string[][] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(":"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
