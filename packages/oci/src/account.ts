import { NotFoundError } from "@pileus/core";

/** Whom a program runs as. Ids are those inside. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, ascending. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** The content of the files that name users and groups; empty where a file is missing. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

/** Ids are 32 bits, and the last is no id but "unchanged": setresuid(2). */
const MAX_ID = 2 ** 32 - 2;

/**
 * Resolves the user of an image or configuration (image-spec, config.md, User): `name`, `uid`, `name:group`, `uid:gid` in any mix, or
 * `""` for root. As Docker has it (moby/sys/user, GetExecUser): a number need not be in the files, and then has group 0; supplementary
 * groups are those that list the user, unless a group is named.
 *
 * @throws {NotFoundError} when the files do not have a name
 */
export function resolveAccount(spec: string, files: AccountFiles): Account {
  const [userName = "", groupName] = spec === "" ? ["0"] : spec.split(":", 2);
  const users = parseEntries(files.passwd, 7);
  const number = parseId(userName);
  const user =
    users.find(([name]) => name === userName) ??
    users.find(([, , uid]) => parseId(uid) === number && number !== undefined);
  const uid = user === undefined ? number : parseId(user[2]);
  if (uid === undefined)
    throw new NotFoundError("user", userName, { hint: "the instance's /etc/passwd does not have it" });
  const groups = parseEntries(files.group, 4);
  const home = user?.[5] || "/";
  if (groupName !== undefined) return { uid, gid: resolveGroup(groupName, groups), groups: [], home };
  const listed = groups.filter(([, , , members]) => user !== undefined && members?.split(",").includes(user[0] ?? ""));
  const ids = listed.flatMap(([, , id]) => parseId(id) ?? []);
  return { uid, gid: parseId(user?.[3]) ?? 0, groups: [...new Set(ids)].sort((a, b) => a - b), home };
}

function resolveGroup(name: string, groups: readonly (readonly string[])[]): number {
  const gid = parseId(groups.find(([entry]) => entry === name)?.[2]) ?? parseId(name);
  if (gid === undefined) throw new NotFoundError("group", name, { hint: "the instance's /etc/group does not have it" });
  return gid;
}

/** passwd(5), group(5). What is not well-formed is passed over, as the C library does. */
function parseEntries(text: string, fields: number): readonly (readonly string[])[] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((entry) => entry.length === fields && entry[0] !== "" && parseId(entry[2]) !== undefined);
}

function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}
