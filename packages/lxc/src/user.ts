import { isInstanceError, NotFoundError } from "@pileus/core";
import type { FileOperations } from "@pileus/core/driver";

/** Somebody inside: ids are those of the instance. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one not among them. */
  readonly groups: readonly number[];
  /** A folder that need not exist. */
  readonly home: string;
  /** The number where there is no name. */
  readonly name: string;
}

/** Nobody needs more: what is larger is an attempt to fill our memory. */
const MAX_FILE = 4 * 1024 * 1024;

/**
 * Finds a user by `name`, `uid`, `name:group` or `uid:gid` in the instance's own /etc/passwd and /etc/group. Numbers need not be
 * there; with a group given there are no supplementary ones, as Docker has it. Default: root.
 *
 * @throws {NotFoundError} when a name is not there.
 */
export async function resolveUser(files: FileOperations, user = "0"): Promise<User> {
  const [who = "", group] = user === "" ? ["0"] : user.split(":");
  const [passwd, groups] = await Promise.all([readTable(files, "/etc/passwd"), readTable(files, "/etc/group")]);
  const entry = passwd.find(
    ([name, , uid = "", gid = ""]) =>
      isId(uid) && isId(gid) && (isId(who) ? Number(uid) === Number(who) : name === who),
  );
  if (entry === undefined && !isId(who))
    throw new NotFoundError("user", who, { hint: "it is not in the instance's /etc/passwd" });
  const uid = Number(entry?.[2] ?? who);
  const named = groups.find(([name, , gid = ""]) => name === group && isId(gid));
  if (group !== undefined && !isId(group) && named === undefined)
    throw new NotFoundError("group", group, { hint: "it is not in the instance's /etc/group" });
  const gid = group === undefined ? Number(entry?.[3] ?? 0) : Number(named?.[2] ?? group);
  const name = entry?.[0] ?? String(uid);
  return {
    uid,
    gid,
    groups: group === undefined ? memberships(groups, name, gid) : [],
    home: entry?.[5] || (uid === 0 ? "/root" : "/"),
    name: entry?.[0] ?? (uid === 0 ? "root" : String(uid)),
  };
}

function memberships(groups: readonly (readonly string[])[], name: string, primary: number): readonly number[] {
  const ids = groups
    .filter(([, , gid, members]) => isId(gid ?? "") && (members ?? "").split(",").includes(name))
    .map(([, , gid]) => Number(gid));
  return [...new Set(ids)].filter((gid) => gid !== primary);
}

/** An id that a process can have: -1 means "unchanged" to the kernel. */
function isId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) < 0xffffffff;
}

// passwd(5), group(5). A distroless image need have neither.
async function readTable(files: FileOperations, path: string): Promise<readonly (readonly string[])[]> {
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of await files.read(path, {})) {
      size += chunk.length;
      if (size > MAX_FILE) return [];
      chunks.push(chunk);
    }
    return Buffer.concat(chunks)
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(":"));
  } catch (error) {
    if (isInstanceError(error, "ERR_INSTANCE_FILE")) return [];
    throw error;
  }
}
