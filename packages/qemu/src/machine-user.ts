import { readFile, stat } from "node:fs/promises";
import { HostError, type InstanceConfig, isInstanceError } from "@pileus/core";
import { findUser, type IdmapRequest, type InstanceContext } from "@pileus/core/driver";
import type { Accelerator } from "./argv/machine-spec.ts";
import { sectionOf } from "./machine.ts";

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
  for (const [path, id] of [
    [files.uidMap, user.uid],
    [files.gidMap, user.gid],
  ] as const) {
    if (mapsTo(await readFile(path, "latin1"), id)) continue;
    const reason = `this user namespace has no id ${id} (${path})`;
    throw refusal({ need: "ids", reason, fix: 'name an account that it has, as in qemu: { user: "nobody" }' });
  }
  return user;
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

/** user_namespaces(7): lines of first id inside, first id outside, count. */
function mapsTo(map: string, id: number): boolean {
  return map.split("\n").some((line) => {
    const [first = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number);
    return id >= first && id < first + count;
  });
}

/**
 * The supplementary groups of a user: the one that may use KVM, if the machine needs it.
 *
 * @throws {HostError} when only root may use KVM.
 */
export async function groupsFor(
  accelerator: Accelerator,
  device = "/dev/kvm",
  statOf: (path: string) => Promise<{ readonly mode: number; readonly gid: number }> = stat,
): Promise<readonly number[]> {
  if (accelerator !== "kvm") return [];
  const { mode, gid } = await statOf(device);
  if ((mode & 0o006) === 0o006) return [];
  if ((mode & 0o060) === 0o060 && gid !== 0) return [gid];
  const reason = "only root may use it, and QEMU does not run as root";
  const fix = `give it to the group kvm (chgrp kvm ${device} && chmod 0660 ${device}), or set qemu: { user: "root" }`;
  throw refusal({ need: `device:${device}`, reason, fix });
}

function refusal(missing: { need: string; reason: string; fix: string }, cause?: unknown): HostError {
  return new HostError("run QEMU as a user without rights", [missing], { cause });
}
