import { readFileSync } from "node:fs";

/** Who a program runs as. */
export interface GuestUser {
  /** The number where there is no name. */
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** Supplementary groups beside `gid`. */
  readonly groups: readonly number[];
}

/** A name that the guest does not have. */
export interface UnknownAccount {
  readonly unknown: "user" | "group";
}

/**
 * Finds `user`, as a name, `uid`, `name:group` or `uid:gid`, in the guest's own passwd(5) and group(5). Numbers need not be
 * there. With a group given there are no supplementary ones, as Docker has it. Default: root, without any.
 */
export function findUser(user: string | undefined, etc = "/etc"): GuestUser | UnknownAccount {
  const [who = "", group] = (user || "0:0").split(":");
  const accounts = table(`${etc}/passwd`);
  const entry = accounts.find((fields) => (isId(who) ? Number(fields[2]) === Number(who) : fields[0] === who));
  if (entry === undefined && !isId(who)) return { unknown: "user" };
  const uid = Number(entry?.[2] ?? who);
  const name = entry?.[0] ?? (uid === 0 ? "root" : String(uid));
  const home = entry?.[5] || (uid === 0 ? "/root" : "/");
  if (group !== undefined) {
    const gid = isId(group) ? group : table(`${etc}/group`).find((fields) => fields[0] === group)?.[2];
    return gid === undefined ? { unknown: "group" } : { name, uid, gid: Number(gid), home, groups: [] };
  }
  const gid = Number(entry?.[3] ?? 0);
  if (entry === undefined) return { name, uid, gid, home, groups: [] };
  const memberships = table(`${etc}/group`)
    .filter((fields) => (fields[3] ?? "").split(",").includes(name))
    .map((fields) => Number(fields[2]));
  return { name, uid, gid, home, groups: [...new Set(memberships)].filter((id) => id !== gid && Number.isInteger(id)) };
}

/** An id that a process can have: -1 means "unchanged" to the kernel. */
function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) < 0xffffffff;
}

// A guest without the file has no names.
function table(file: string): string[][] {
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
