import { ConfigError, isInstanceError, NotFoundError } from "@pileus/core";
import type { FileOperations, Idmap } from "@pileus/core/driver";
import { type Account, findAccount } from "@pileus/core/files";

/** Nobody needs more: what is larger is an attempt to fill our memory. */
const MAX_FILE = 4 * 1024 * 1024;

/**
 * Finds a user by `name`, `uid`, `name:group` or `uid:gid` in the instance's own /etc/passwd and /etc/group, as `findAccount()`
 * does. Default: root.
 *
 * @throws {NotFoundError} when a name is not there.
 */
export async function resolveUser(files: FileOperations, user?: string): Promise<Account> {
  const [passwd, group] = await Promise.all([readText(files, "/etc/passwd"), readText(files, "/etc/group")]);
  const found = findAccount(user, { passwd, group });
  if (!("unknown" in found)) return found;
  const [who, itsGroup] = (user ?? "").split(":");
  const [name = "", file] = found.unknown === "user" ? [who, "passwd"] : [itsGroup, "group"];
  throw new NotFoundError(found.unknown, name, { hint: `it is not in the instance's /etc/${file}` });
}

/**
 * That an unprivileged container has the ids of a user.
 *
 * @throws {ConfigError} which names the id, the ids that there are, and the way out
 */
export function assertMapped({ uid, gid, groups }: Pick<Account, "uid" | "gid" | "groups">, idmap?: Idmap): void {
  if (idmap === undefined) return;
  const beyond = [uid, gid, ...groups].find((id) => id >= idmap.count);
  if (beyond === undefined) return;
  const message = `id ${beyond} is beyond the ids of an unprivileged container, 0 to ${idmap.count - 1}: name another user, or make the instance privileged`;
  throw new ConfigError("user", [{ path: ["user"], message }]);
}

// A distroless image need have neither.
async function readText(files: FileOperations, path: string): Promise<string> {
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of await files.read(path, {})) {
      size += chunk.length;
      if (size > MAX_FILE) return "";
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    if (isInstanceError(error, "ERR_FILE")) return "";
    throw error;
  }
}
