import { readFile } from "node:fs/promises";
import { HostError, type InstanceConfig, isInstanceError } from "@pileus/core";
import { findUser, type IdmapRequest, type InstanceContext, SPARE_ID } from "@pileus/core/driver";
import { sectionOf } from "./section.ts";

/** The user that a QEMU becomes before it runs. */
export interface MachineUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The id that a machine needs for its own. `undefined`: QEMU runs as an account of the host, or this process is not root
 * and cannot choose.
 */
export function machineIds(config: InstanceConfig): IdmapRequest | undefined {
  if (sectionOf(config).user !== undefined || process.geteuid?.() !== 0) return undefined;
  return { mode: "isolated", use: "process", count: 1, path: ["qemu", "user"] };
}

/**
 * The user that QEMU of this instance becomes. `undefined`: it stays the user of this process, because the
 * configuration asks for that, or because only root can choose.
 *
 * @throws {HostError} when there is no such user, or QEMU cannot become it.
 */
export async function machineUser(
  instance: Pick<InstanceContext, "config" | "idmap">,
  files: UserFiles = FILES,
): Promise<MachineUser | undefined> {
  const { user: name } = sectionOf(instance.config);
  const self = process.geteuid?.();
  if (name === undefined && self !== 0) return undefined;
  const user = name === undefined ? ownUser(instance.idmap) : await accountOf(name, files);
  if (user.uid === self) return undefined;
  if (self !== 0) {
    throw refusal({ need: "root", reason: `uid ${self} cannot start a program as "${name}"`, fix: "run as root" });
  }
  const missing = await missingId(user, files);
  if (missing === undefined) return user;
  const reason = `this user namespace has no id ${missing.id} (${missing.path})`;
  throw refusal({ need: "ids", reason, fix: 'name an account that it has, as in qemu: { user: "nobody" }' });
}

/** `nobody` of every distribution. */
const NOBODY = 65_534;

/**
 * The user of a QEMU that runs no instance, for a trial or its version: an id that no instance and no account has, or
 * nobody in a user namespace without that one, or root's without a capability. `undefined`: ours, which is not root.
 */
export async function trialUser(files: Pick<UserFiles, "uidMap" | "gidMap"> = FILES): Promise<MachineUser | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  for (const id of [SPARE_ID, NOBODY]) {
    const user = { uid: id, gid: id };
    if ((await missingId(user, files)) === undefined) return user;
  }
  return { uid: 0, gid: 0 };
}

/** The files that list the users and the ids of this host. */
export interface UserFiles {
  readonly passwd: string;
  readonly uidMap: string;
  readonly gidMap: string;
}

const FILES: UserFiles = { passwd: "/etc/passwd", uidMap: "/proc/self/uid_map", gidMap: "/proc/self/gid_map" };

function ownUser(idmap: InstanceContext["idmap"]): MachineUser {
  if (idmap === undefined) throw new TypeError("the engine gives each machine an id before it starts");
  return { uid: idmap.base, gid: idmap.base };
}

async function accountOf(name: string, files: UserFiles): Promise<MachineUser> {
  try {
    const { uid, gid } = await findUser(
      (path) => (path === "/etc/passwd" ? readFile(files.passwd, "utf8") : Promise.resolve("")),
      name,
    );
    return { uid, gid };
  } catch (error) {
    if (!isInstanceError(error, "ERR_USER_NOT_FOUND")) throw error;
    const reason = `there is no such account in ${files.passwd}`;
    const fix = `make it (useradd --system ${name}), or leave out qemu.user, so that the machine gets an id of its own`;
    throw refusal({ need: `user:${name}`, reason, fix }, error);
  }
}

/** The first of the user's ids that our user namespace does not have, and the file that says so. */
async function missingId(
  { uid, gid }: MachineUser,
  files: Pick<UserFiles, "uidMap" | "gidMap">,
): Promise<{ readonly path: string; readonly id: number } | undefined> {
  for (const { path, id } of [
    { path: files.uidMap, id: uid },
    { path: files.gidMap, id: gid },
  ])
    if (!mapsTo(await readFile(path, "latin1"), id)) return { path, id };
  return undefined;
}

/** user_namespaces(7): lines of first id inside, first id outside, count. */
function mapsTo(map: string, id: number): boolean {
  return map.split("\n").some((line) => {
    const [first = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number);
    return id >= first && id < first + count;
  });
}

/** Why QEMU cannot run as the user that it should have. */
export function refusal(missing: { need: string; reason: string; fix: string }, cause?: unknown): HostError {
  return new HostError("run QEMU as a user without rights", [missing], { cause });
}
