import { closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { ConfigError, HostError } from "../errors/all.ts";
import { type Disk, TMPFS } from "../model/device/disk.ts";
import { openInRoot } from "../system/contained-access.ts";
import { detachedMount, memoryMount } from "../system/detached-mount.ts";
import { ownerOutside } from "../system/idmap.ts";
import { mountOf } from "../system/mounts.ts";
import type { SystemError } from "../system/syscall.ts";
import { openUserNamespace } from "../system/user-namespace.ts";
import type { Idmap } from "../terms/idmap.ts";

const O_PATH = 0o10000000;

/** What a disk shows, mounted nowhere yet. */
export interface DiskSource {
  /** The mount. It goes with this descriptor, unless it is attached. */
  readonly mount: number;
  readonly isFolder: boolean;
}

/** The error of a device whose option is wrong on this host. */
export function deviceError(device: string, option: string, message: string, cause?: unknown): ConfigError {
  return new ConfigError("device", [{ path: ["devices", device, option], message }], { cause });
}

/**
 * Opens the source of a disk; `undefined` when it is missing and not required. The caller closes the mount.
 *
 * @throws {ConfigError} naming the option, when the source is missing or no folder or file. @throws {HostError} when its
 * file system cannot map owners.
 */
export function openDiskSource(device: string, disk: Disk, idmap: Idmap | undefined): DiskSource | undefined {
  if (disk.source === TMPFS) {
    const owner = ownerOutside(idmap, { uid: 0, gid: 0 });
    return { mount: memoryMount({ size: disk.size, mode: disk.mode ?? 0o1777, owner }), isFolder: true };
  }
  const source = openSource(device, disk);
  if (source === undefined) return undefined;
  let userNamespace: number | undefined;
  try {
    const stat = fstatSync(source);
    if (!stat.isDirectory() && !stat.isFile())
      throw deviceError(device, "source", `must be a folder or a file, but ${disk.source} is ${kindOf(stat)}`);
    const { readonly: readOnly = false, shift = true, recursive, propagation } = disk;
    userNamespace = shift && idmap !== undefined ? openUserNamespace(idmap) : undefined;
    const options = { readOnly, recursive, propagation, userNamespace, suid: true };
    const mount = detachedMount(`/proc/self/fd/${source}`, options);
    return { mount, isFolder: stat.isDirectory() };
  } catch (error) {
    throw unmappable(device, disk, error);
  } finally {
    closeSync(source);
    if (userNamespace !== undefined) closeSync(userNamespace);
  }
}

/** A disk that is mounted. */
export interface MountedDisk {
  /** The id of its mount. */
  readonly mount: number;
  readonly disk: Disk;
}

/**
 * A second mount of what a disk shows, mounted nowhere; `undefined` when the disk cannot be found by its path any more, as
 * when somebody inside has renamed a folder. The caller closes the mount.
 */
export function copyOf(root: string, { mount, disk }: MountedDisk): DiskSource | undefined {
  const top = openSync(root, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const found = openInRoot(top, disk.path, O_PATH);
    try {
      if (mountOf(found) !== mount) return undefined;
      const { readonly: readOnly = false, recursive, propagation } = disk;
      const copy = detachedMount(`/proc/self/fd/${found}`, { readOnly, recursive, propagation, suid: true });
      return { mount: copy, isFolder: fstatSync(found).isDirectory() };
    } finally {
      closeSync(found);
    }
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as SystemError).code)) return undefined;
    throw error;
  } finally {
    closeSync(top);
  }
}

function openSource(device: string, { source, required = true }: Disk): number | undefined {
  try {
    return openSync(source, O_PATH);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT" || code === "ENOTDIR";
    if (isMissing && !required) return undefined;
    const why = isMissing ? "does not exist on the host" : `cannot be opened on the host: ${code}`;
    throw deviceError(device, "source", `${source} ${why}`, error);
  }
}

function kindOf(stat: Stats): string {
  if (stat.isBlockDevice()) return "a block device";
  if (stat.isCharacterDevice()) return "a character device";
  return stat.isSocket() ? "a socket" : "a fifo";
}

/** mount_setattr(2): EINVAL for a file system that cannot be idmapped, EPERM for a mount that is already. */
function unmappable(device: string, { source, recursive }: Disk, error: unknown): unknown {
  const { code, syscall } = error as SystemError;
  if (syscall === "open_tree")
    return deviceError(device, "source", `${source} cannot be mounted: ${syscall}: ${code}`, error);
  if (syscall !== "mount_setattr" || !["EINVAL", "EPERM"].includes(code)) return error;
  const which = recursive ? `${source}, or one mounted below it,` : source;
  const reason = `the file system of ${which} cannot map owners: mount_setattr: ${code}`;
  const fix = `give the device shift: false, or take a source on ext4, xfs, btrfs or tmpfs`;
  return new HostError(`attach device "${device}"`, [{ need: "idmapped-mounts", reason, fix }], { cause: error });
}
