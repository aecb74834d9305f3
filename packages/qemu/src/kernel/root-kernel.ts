import { open } from "node:fs/promises";
import { type Abortable, ImageError } from "@pileus/core";
import { printable } from "@pileus/core/driver";
import { bytesOf } from "../disk/byte-source.ts";
import { readQcow2 } from "../disk/qcow2.ts";
import { Ext4, type Inode } from "../ext4/file-system.ts";
import { compareReleases } from "./kernel.ts";
import { KERNEL_HEAD, parseKernelFile } from "./kernel-file.ts";
import { moduleName } from "./module-info.ts";
import type { ModuleFiles } from "./modules.ts";

/** The root disk of a machine that does not run. */
export interface RootDisk {
  /** A qcow2 file. */
  readonly path: string;
  /** The raw file that it stores only the changes of. */
  readonly backing: string;
  /** For errors: whose disk it is. */
  readonly owner: string;
}

/** A kernel of a root disk. It can be read while that disk is open. */
export interface RootKernel {
  /** Its path in the root. */
  readonly path: string;
  readonly content: () => Promise<Buffer>;
  readonly modules: ModuleFiles;
  /** The modules that are not files, because they are part of the kernel. */
  readonly builtIn: ReadonlySet<string>;
  /** Differs when a package manager has replaced the kernel or its modules. */
  readonly mark: string;
}

const MAX_KERNEL = 2 ** 27;
const MAX_MODULE = 2 ** 26;
const MAX_LIST = 2 ** 22;
/** A kernel's file in /boot: `vmlinuz-6.1.0-56-amd64`, and Alpine's `vmlinuz-virt`. */
const KERNEL_NAME = /^vmlinuz(?:-(.+))?$/;
/** A kernel with everything has thousands of modules in hundreds of folders. */
const MAX_FILES = 100_000;

/** The cure that each error ends with. */
export const CURE = 'or set qemu.kernel to "managed"';

/**
 * The newest kernel in `/boot` of a root disk that has its modules in `/lib/modules`, as the guest left them. The disk is
 * read in this process, without a mount.
 *
 * @throws {ImageError} if there is none that this machine starts. The message has the cure.
 */
export async function withRootKernel<T>(
  disk: RootDisk,
  use: (kernel: RootKernel) => Promise<T>,
  { signal }: Abortable = {},
): Promise<T> {
  const { path, owner } = disk;
  await using file = await open(path, "r");
  await using backing = await open(disk.backing, "r");
  const root = await Ext4.open(await readQcow2(bytesOf(file, signal), bytesOf(backing, signal), owner), owner);
  return await use(await findKernel(root, owner));
}

async function findKernel(root: Ext4, owner: string): Promise<RootKernel> {
  const boot = await root.find("/boot");
  const names = boot?.type === "directory" ? [...(await root.list(boot)).keys()] : [];
  const found: { release: string; path: string; inode: Inode; modules: Inode }[] = [];
  const refused: string[] = [];
  for (const name of names.filter((candidate) => KERNEL_NAME.test(candidate))) {
    const path = `/boot/${name}`;
    const inode = await root.find(path);
    if (inode?.type !== "file") continue;
    const kernel = parseKernelFile(await root.read(inode, { max: MAX_KERNEL, length: KERNEL_HEAD }));
    const release = typeof kernel === "string" ? undefined : (kernel.release ?? KERNEL_NAME.exec(name)?.[1]);
    const modules = release ? await root.find(`/lib/modules/${release}`) : undefined;
    if (typeof kernel === "string") refused.push(`${path}: ${kernel}`);
    else if (kernel.architecture !== process.arch)
      refused.push(`${path}: it is for ${kernel.architecture}, and this host is ${process.arch}`);
    else if (release === undefined || modules?.type !== "directory")
      refused.push(`${path}: its modules are missing, /lib/modules/${release ?? ""}`);
    else found.push({ release, path, inode, modules });
  }
  const newest = found.sort((a, b) => compareReleases(a.release, b.release)).at(-1);
  if (newest === undefined) throw new ImageError(owner, refusal(refused));
  const { release, path, inode, modules } = newest;
  const folder = `/lib/modules/${release}`;
  return {
    path,
    content: () => root.read(inode, { max: MAX_KERNEL }),
    modules: { path: folder, list: () => listModules(root, modules, owner) },
    builtIn: await readBuiltIn(root, folder),
    mark: [path, release, inode.mark, modules.mark].join("\n"),
  };
}

function refusal(refused: readonly string[]): string {
  const cure = `install one there (Debian: linux-image-cloud-amd64), ${CURE}`;
  if (refused.length === 0) return `it has no kernel, no /boot/vmlinuz-*: ${cure}`;
  return `it has no kernel that this machine starts (${printable(refused.join("; "), 500)}): ${cure}`;
}

/** All files below the folder. Links are left out: a package of modules has none. */
async function listModules(root: Ext4, top: Inode, owner: string): Promise<Map<string, () => Promise<Buffer>>> {
  const files = new Map<string, () => Promise<Buffer>>();
  const pending = [top];
  const known = new Set<number>();
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const [name, entry] of await root.list(folder)) {
      if (files.size + pending.length > MAX_FILES) throw new ImageError(owner, "its kernel has too many modules");
      if (entry.type === "directory" && !known.has(entry.inode)) {
        known.add(entry.inode);
        pending.push(await root.inodeOf(entry));
      } else if (entry.type === "file")
        files.set(name, async () => root.read(await root.inodeOf(entry), { max: MAX_MODULE }));
    }
  }
  return files;
}

/** `modules.builtin` of kmod: a path a line. */
async function readBuiltIn(root: Ext4, folder: string): Promise<ReadonlySet<string>> {
  const inode = await root.find(`${folder}/modules.builtin`);
  if (inode?.type !== "file") return new Set();
  const lines = (await root.read(inode, { max: MAX_LIST })).toString("latin1").split("\n");
  const modules = lines.filter((line) => line.endsWith(".ko"));
  return new Set(modules.map((line) => moduleName(line.slice(line.lastIndexOf("/") + 1, -".ko".length))));
}
