import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** A kernel of the host that guests are booted with. */
export interface GuestKernel {
  /** The path of a bzImage or an ELF image. */
  readonly kernel: string;
  /** The path of its `modules/<release>` folder. If absent, the kernel has everything built in. */
  readonly modules?: string | undefined;
}

/** A kernel of the host for one machine. */
export interface HostKernel extends GuestKernel {
  /** The path of an initramfs that boots the machine in place of ours, which alone needs `modules`. */
  readonly initramfs?: string | undefined;
}

// What `ensureDebianKernel()` writes. A folder has this name only when it is complete.
const FOLDER = /^kernel-(.+)$/;

/** The folder of the kernel with this release in a cache folder. */
export function kernelFolder(cache: string, release: string): string {
  return join(cache, `kernel-${release}`);
}

/** The newest kernel in a cache folder; `undefined` if there is none. */
export async function findCachedKernel(cache: string): Promise<GuestKernel | undefined> {
  const releases = (await entries(cache)).flatMap((name) => FOLDER.exec(name)?.[1] ?? []);
  const newest = releases.sort(compareReleases).at(-1);
  if (newest === undefined) return undefined;
  return kernelIn(kernelFolder(cache, newest));
}

/** The kernel whose folder this is. */
export function kernelIn(folder: string): GuestKernel {
  return { kernel: join(folder, "kernel"), modules: join(folder, "modules") };
}

/** Orders `6.1.0-56-cloud-amd64` before `6.12.3-1-cloud-amd64`: by the numbers in the name. */
export function compareReleases(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

async function entries(folder: string): Promise<readonly string[]> {
  try {
    if (!(await stat(folder)).isDirectory()) return [];
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
