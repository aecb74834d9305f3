import { closeSync, constants, openSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { HostError } from "../errors/all.ts";
import type { Idmap } from "../terms/idmap.ts";
import { mountIdmapped } from "./detached-mount.ts";
import { makeFolders } from "./make-folders.ts";
import { mountPointsBelow, topmost } from "./mounts.ts";
import { mount, type SystemError, umount } from "./syscall.ts";
import { openUserNamespace } from "./user-namespace.ts";

const MS_NOSUID = 2;
const MS_NODEV = 4;
const O_PATH = 0o10000000;

/** Options of {@link mountOverlay}. Every path is absolute. */
export interface OverlayMount {
  /** The folders, bottom first, in the format of overlayfs. */
  readonly layers: readonly string[];
  /** The folder that receives what is written. */
  readonly upper: string;
  /** An empty folder beside `upper`. */
  readonly work: string;
  /** The folder to mount at. */
  readonly target: string;
  /** A folder for temporary mounts during the call. It is created, and removed afterwards if it is empty. */
  readonly staging: string;
  /** Maps the owners in the layers. Default: they are shown as they are. */
  readonly idmap?: Idmap | undefined;
  /** Whether the owners in `upper` are mapped too. Default true; false: they are ids of the host already. */
  readonly mapUpper?: boolean | undefined;
  /** Whether device nodes in the tree are disabled. */
  readonly nodev?: boolean | undefined;
}

/**
 * Mounts a copy-on-write view of `layers`. An overlay cannot be idmapped, but its layers can: each is mounted idmapped
 * for a moment, and overlayfs keeps its own clone (linux/fs/overlayfs/super.c, clone_private_mount). A map needs Linux
 * 5.19, and a file system that can be idmapped.
 */
export function mountOverlay(options: OverlayMount): void {
  const { idmap, mapUpper = true, staging, upper, work } = options;
  const opened: number[] = [];
  const made: string[] = [];
  const mounted: string[] = [];
  // By descriptor: the names of the folders need no escaping, and a hundred layers fit into the 4096 bytes of mount(2).
  const name = (folder: string) => {
    opened.push(openSync(folder, O_PATH | constants.O_DIRECTORY));
    return `/proc/self/fd/${opened.at(-1)}`;
  };
  const stage = (folder: string, as: string, userNamespace: number, access: "read" | "write") => {
    const staged = `${staging}/${as}`;
    makeFolders(staged, 0o700);
    made.push(staged);
    try {
      mountIdmapped(folder, staged, { userNamespace, readOnly: access === "read" });
    } catch (error) {
      throw idmapFailure(folder, error);
    }
    mounted.push(staged);
    return staged;
  };
  const namespace = (of: Idmap, hostRoot: boolean) => {
    opened.push(openUserNamespace(of, { hostRoot }));
    return opened.at(-1) as number;
  };
  try {
    const shown = idmap && options.layers.length > 0 ? namespace(idmap, false) : undefined;
    const lower = options.layers.map((layer, index) =>
      name(shown === undefined ? layer : stage(layer, String(index), shown, "read")),
    );
    // Both in one mount, because overlayfs requires that.
    const writable = idmap && mapUpper ? stage(dirname(upper), "writable", namespace(idmap, true), "write") : undefined;
    const at = (folder: string) => name(writable === undefined ? folder : join(writable, basename(folder)));
    // overlayfs lists the topmost first.
    const data = `lowerdir=${lower.toReversed().join(":")},upperdir=${at(upper)},workdir=${at(work)}`;
    mount("overlay", options.target, "overlay", options.nodev ? MS_NODEV : 0, data);
  } finally {
    for (const fd of opened) closeSync(fd);
    for (const staged of mounted) umount(staged, { lazy: true });
    for (const staged of made) rmdirSync(staged);
    if (made.length > 0) rmdirSync(staging);
  }
}

/** mount_setattr(2): EINVAL for a file system that cannot be idmapped. */
function idmapFailure(folder: string, error: unknown): unknown {
  const { code, syscall } = error as SystemError;
  if (code !== "EINVAL" || syscall !== "mount_setattr") return error;
  const reason = `the file system of ${folder} cannot map owners: mount_setattr: ${code}`;
  const fix = "keep the root folder on ext4, xfs or btrfs, or boot a newer kernel, or make the instance privileged";
  return new HostError("mount the root of an instance", [{ need: "idmapped-mounts", reason, fix }], { cause: error });
}

/** Mounts an empty folder in memory, for at most 4 MiB. Programs in it can be executed even if the file system around it is noexec. */
export function mountMemory(target: string, mode: number): void {
  mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, `mode=${mode.toString(8)},size=4m`);
}

/**
 * Detaches every mount at `folder` and below it, as this process sees them. Idempotent. What is mounted within another
 * mount goes with that one: no path in it has to be trusted, or to be short enough.
 */
export async function unmountBelow(folder: string): Promise<void> {
  for (const { path } of topmost(mountPointsBelow(folder)).toReversed()) umount(path, { lazy: true });
}
