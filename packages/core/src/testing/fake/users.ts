import { unknownAccount } from "../../driver/find-user.ts";
import { type Account, findAccount } from "../../files/accounts.ts";
import type { FakeTree } from "./tree.ts";

export type FakeUser = Account;

/** Resolves a name, `uid` or `uid:gid` with the instance's own files. @throws {NotFoundError} */
export function findUser(tree: FakeTree, user?: string): FakeUser {
  const found = findAccount(user, { passwd: textOf(tree, "/etc/passwd"), group: textOf(tree, "/etc/group") });
  if ("unknown" in found) throw unknownAccount(found, user);
  return found;
}

function textOf(tree: FakeTree, path: string): string {
  const node = tree.find(path);
  return node?.type === "file" ? node.content.toString() : "";
}
