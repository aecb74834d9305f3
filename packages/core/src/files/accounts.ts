/** A user inside an instance, with the ids that the instance has for it. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /**
   * Supplementary groups, with the primary group first as in initgroups(3): otherwise a set-group-ID program could drop
   * the primary group, and with it whatever is denied to that group.
   */
  readonly groups: readonly number[];
  /** A folder that need not exist. */
  readonly home: string;
  /** The number if there is no name. */
  readonly name: string;
}

/** A name that the instance does not have. */
export interface UnknownAccount {
  readonly unknown: "user" | "group";
}

/** The texts of an instance's own passwd(5) and group(5); `""` for a missing file. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

/**
 * Finds a user by `name`, `uid`, `name:group` or `uid:gid`. Numbers need no entry. If a group is given, the user has no
 * other groups, as in Docker. An empty half means the default: root, or the user's own groups. Pure.
 */
export function findAccount(user: string | undefined, files: AccountFiles): Account | UnknownAccount {
  const [named = "", namedGroup = ""] = (user ?? "").split(":");
  const wanted = named || "0";
  const group = namedGroup || undefined;
  const entry = entries(files.passwd).find(
    ([name, , uid = "", gid = ""]) =>
      isId(uid) && isId(gid) && (isId(wanted) ? Number(uid) === Number(wanted) : name === wanted),
  );
  if (entry === undefined && !isId(wanted)) return { unknown: "user" };
  const uid = Number(entry?.[2] ?? wanted);
  const primary = group === undefined ? Number(entry?.[3] ?? 0) : groupId(group, files);
  if (primary === undefined) return { unknown: "group" };
  return {
    uid,
    gid: primary,
    groups: [
      primary,
      ...(group === undefined && entry !== undefined ? memberships(entry[0] ?? "", primary, files) : []),
    ],
    home: entry?.[5] || (uid === 0 ? "/root" : "/"),
    name: entry?.[0] ?? (uid === 0 ? "root" : String(uid)),
  };
}

function groupId(group: string, files: AccountFiles): number | undefined {
  if (isId(group)) return Number(group);
  const named = entries(files.group).find(([name, , gid = ""]) => name === group && isId(gid));
  return named === undefined ? undefined : Number(named[2]);
}

function memberships(name: string, primary: number, files: AccountFiles): readonly number[] {
  const ids = entries(files.group)
    .filter(([, , gid = "", members = ""]) => isId(gid) && members.split(",").includes(name))
    .map(([, , gid]) => Number(gid));
  return [...new Set(ids)].filter((gid) => gid !== primary);
}

/**
 * Whether a process can have this id: -1 means "unchanged" to the kernel. An entry without an id is not a user: `+::::::`
 * refers to another directory (nsswitch.conf(5), compat).
 */
function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) < 0xffffffff;
}

function entries(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}
