import { NotFoundError } from "../../contract/errors.ts";
import type { FakeTree } from "./tree.ts";

export interface FakeUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** With `gid` first. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** A user by name, `uid` or `uid:gid`, as the instance's own files know it. @throws {NotFoundError} */
export function findUser(tree: FakeTree, reference = "root"): FakeUser {
  const [account = "", group] = reference.split(":");
  const entry = lines(tree, "/etc/passwd").find(([name, , uid]) => (isNumber(account) ? uid : name) === account);
  if (entry === undefined && !isNumber(account)) throw new NotFoundError("user", account);
  const name = entry?.[0] ?? account;
  const gid = group === undefined ? Number(entry?.[3] ?? 0) : findGroup(tree, group);
  const extra = lines(tree, "/etc/group").flatMap(([, , id, members = ""]) =>
    members.split(",").includes(name) && Number(id) !== gid ? [Number(id)] : [],
  );
  const groups = group === undefined ? [gid, ...extra] : [gid];
  return { name, uid: Number(entry?.[2] ?? account), gid, groups, home: entry?.[5] ?? "/" };
}

function findGroup(tree: FakeTree, reference: string): number {
  if (isNumber(reference)) return Number(reference);
  const entry = lines(tree, "/etc/group").find(([name]) => name === reference);
  if (entry === undefined) throw new NotFoundError("group", reference);
  return Number(entry[2]);
}

function lines(tree: FakeTree, path: string): string[][] {
  const node = tree.find(path);
  const text = node?.type === "file" ? node.content.toString() : "";
  return text.split("\n").map((line) => line.split(":"));
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
