import { ConfigError, isInstanceError } from "@pileus/core";
import { type FileOperations, findUser, type Idmap, idsInside, isInside } from "@pileus/core/driver";
import type { Account } from "@pileus/core/files";

/** No real file is larger: a larger one is an attempt to fill our memory. */
const MAX_FILE = 4 * 1024 * 1024;

/** `findUser()` with the files of an instance. @throws {NotFoundError} when a name is unknown. */
export function resolveUser(files: FileOperations, user?: string): Promise<Account> {
  return findUser((path) => readAccounts(files, path), user);
}

/** Where the user is named: the subject and the path of an error. */
export interface UserPlace {
  readonly subject: string;
  readonly path: readonly string[];
}

const OF_EXEC: UserPlace = { subject: "exec", path: ["user"] };

/**
 * Asserts that an unprivileged container has the ids of a user, which an `exec` names unless `place` says otherwise.
 *
 * @throws {ConfigError} which names the id, the available ids, and the fix
 */
export function assertMapped(
  { uid, gid, groups }: Pick<Account, "uid" | "gid" | "groups">,
  idmap: Idmap | undefined,
  { subject, path }: UserPlace = OF_EXEC,
): void {
  if (idmap === undefined) return;
  const named = [{ of: "uid", id: uid } as const, ...[gid, ...groups].map((id) => ({ of: "gid", id }) as const)];
  const beyond = named.find(({ of, id }) => !isInside(idmap, of, id));
  if (beyond === undefined) return;
  const message = `id ${beyond.id} is beyond the ids of an unprivileged container, ${idsInside(idmap, beyond.of)}: name another user, or make the instance privileged`;
  throw new ConfigError(subject, [{ path, message }]);
}

/** The text of passwd(5) or group(5) of an instance; `""` if it has none, as a distroless image may, or a huge one. */
export async function readAccounts(files: FileOperations, path: string): Promise<string> {
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
