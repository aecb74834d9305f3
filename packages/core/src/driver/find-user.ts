import { NotFoundError } from "../errors/all.ts";
import { type Account, findAccount, type UnknownAccount } from "../files/accounts.ts";

/**
 * Finds a user by `name`, `uid`, `name:group` or `uid:gid` in an instance's own /etc/passwd and /etc/group, which
 * `read` reads (`""` when the file does not exist). Default: root.
 *
 * @throws {NotFoundError} when a name does not exist.
 */
export async function findUser(read: (path: string) => Promise<string>, user?: string): Promise<Account> {
  const [passwd, group] = await Promise.all([read("/etc/passwd"), read("/etc/group")]);
  const found = findAccount(user, { passwd, group });
  if ("unknown" in found) throw unknownAccount(found, user);
  return found;
}

/** The error for the half of `user` that an instance does not have, for every kind of instance the same. */
export function unknownAccount({ unknown }: UnknownAccount, user = ""): NotFoundError {
  const [userPart, groupPart] = user.split(":");
  const [name = "", file] = unknown === "user" ? [userPart, "passwd"] : [groupPart, "group"];
  return new NotFoundError(unknown, name, { hint: `it is not in the instance's /etc/${file}` });
}
