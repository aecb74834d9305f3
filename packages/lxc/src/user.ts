import { isInstanceError, NotFoundError } from "@pileus/core";
import type { FileOperations } from "@pileus/core/driver";
import { type Account, findAccount } from "@pileus/core/files";

/** Nobody needs more: what is larger is an attempt to fill our memory. */
const MAX_FILE = 4 * 1024 * 1024;

/**
 * Finds a user by `name`, `uid`, `name:group` or `uid:gid` in the instance's own /etc/passwd and /etc/group, as {@link findAccount}
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
    if (isInstanceError(error, "ERR_INSTANCE_FILE")) return "";
    throw error;
  }
}
