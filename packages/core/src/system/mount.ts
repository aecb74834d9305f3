import { closeSync, constants, mkdirSync, openSync, rmdirSync } from "node:fs";
import { mountsBelow } from "./mounts.ts";
import { mount, mountIdmapped, umount } from "./syscall.ts";

const MS_NOSUID = 2;
const MS_NODEV = 4;
const O_PATH = 0o10000000;

/** Options of {@link mountOverlay}. Every path is absolute. */
export interface OverlayMount {
  /** The folders, bottom first, in the format of overlayfs. */
  readonly layers: readonly string[];
  /** The folder that receives what is written. */
  readonly upper: string;
  /** An empty folder on the file system of `upper`. */
  readonly work: string;
  /** The folder to mount at. */
  readonly target: string;
  /** A folder for temporary mounts during the call. It is created, and removed afterwards if it is empty. */
  readonly staging: string;
  /** An open user namespace that maps the owners in the layers; `upper` has mapped owners already. It is not closed. */
  readonly userNamespace?: number | undefined;
  /** Whether device nodes in the tree are disabled. */
  readonly nodev?: boolean | undefined;
}

/**
 * Mounts a copy-on-write view of `layers`. An overlay cannot be idmapped, but its layers can: each is mounted idmapped
 * for a moment, and overlayfs keeps its own clone (linux/fs/overlayfs/super.c, clone_private_mount). A map needs Linux
 * 5.19.
 */
export function mountOverlay(options: OverlayMount): void {
  const opened: number[] = [];
  const made: string[] = [];
  const mounted: string[] = [];
  // By descriptor: the names of the folders need no escaping, and a hundred layers fit into the 4096 bytes of mount(2).
  const name = (folder: string) => {
    opened.push(openSync(folder, O_PATH | constants.O_DIRECTORY));
    return `/proc/self/fd/${opened.at(-1)}`;
  };
  try {
    const lower = options.layers.map((layer, index) => {
      if (options.userNamespace === undefined) return name(layer);
      const staged = `${options.staging}/${index}`;
      mkdirSync(staged, { recursive: true, mode: 0o700 });
      made.push(staged);
      mountIdmapped(layer, staged, options.userNamespace);
      mounted.push(staged);
      return name(staged);
    });
    // overlayfs lists the topmost first.
    const data = `lowerdir=${lower.toReversed().join(":")},upperdir=${name(options.upper)},workdir=${name(options.work)}`;
    mount("overlay", options.target, "overlay", options.nodev ? MS_NODEV : 0, data);
  } finally {
    for (const fd of opened) closeSync(fd);
    for (const staged of mounted) umount(staged, { lazy: true });
    for (const staged of made) rmdirSync(staged);
    if (made.length > 0) rmdirSync(options.staging);
  }
}

/** Mounts an empty folder in memory. Programs in it can be executed even if the file system around it is noexec. */
export function mountMemory(target: string, mode: number): void {
  mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, `mode=${mode.toString(8)},size=1m`);
}

/** Detaches every mount at `folder` and below it, as this process sees them. Idempotent. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const point of (await mountsBelow(folder)).toReversed()) umount(point, { lazy: true });
}
