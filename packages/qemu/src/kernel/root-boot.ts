import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { ImageError, isInstanceError } from "@pileus/core";
import { hostFailure, makeFolders, replaceFile } from "@pileus/core/driver";
import type { MachineType } from "../argv/machine-spec.ts";
import { type InitramfsOptions, REQUIRED_MODULES, readBase } from "../initramfs/initramfs.ts";
import type { CollectOptions } from "./modules.ts";
import { CURE, type RootDisk, type RootKernel, withRootKernel } from "./root-kernel.ts";

/** A machine that boots the kernel of its own root disk. */
export interface RootBoot {
  readonly disk: RootDisk;
  readonly machine: MachineType;
  /** The folder of this machine's kernel and initramfs. Machines share none: their content is the guests'. */
  readonly folder: string;
}

/**
 * The files that a machine boots its own newest kernel from. They are made when that kernel has changed. The kernel is
 * booted as it is packed: to unpack what comes from a guest is the guest's work.
 *
 * @throws {ImageError} if the root disk has no kernel that this machine starts, with the cure.
 */
export async function ensureRootBoot(
  { disk, machine, folder }: RootBoot,
  options: InitramfsOptions & CollectOptions,
): Promise<{ readonly kernel: string; readonly initramfs: string }> {
  const base = await readBase(options);
  return withRootKernel(
    disk,
    async (found) => {
      const key = base.mark(`${found.mark}\n${machine}`);
      const files = { kernel: join(folder, `kernel-${key}`), initramfs: join(folder, `initramfs-${key}`) };
      if ((await exists(files.kernel)) && (await exists(files.initramfs))) return files;
      const { archive, modules } = await base.build(found.modules, options).catch((cause: unknown) => {
        if (!isInstanceError(cause, "ERR_CONFIG", "ERR_COMMAND")) throw cause;
        throw new ImageError(disk.owner, `the modules of ${found.path} cannot be read, ${CURE}`, { cause });
      });
      assertModules(found, modules, machine, disk.owner);
      const content = await found.content();
      try {
        await rm(folder, { recursive: true, force: true });
        makeFolders(folder, 0o700);
        // QEMU opens them again as its own user, which cannot enter the folder.
        await replaceFile(files.initramfs, archive, 0o644);
        await replaceFile(files.kernel, content, 0o644);
      } catch (error) {
        throw hostFailure("store the kernel of a machine", error);
      }
      return files;
    },
    options,
  );
}

function assertModules(kernel: RootKernel, modules: readonly string[], machine: MachineType, owner: string): void {
  const required = [machine === "q35" ? "virtio_pci" : "virtio_mmio", ...REQUIRED_MODULES];
  const lacking = required.filter((name) => !modules.includes(name) && !kernel.builtIn.has(name));
  if (lacking.length === 0) return;
  const has = `its kernel ${kernel.path} has ${lacking.join(", ")} neither built in nor in ${kernel.modules.path}`;
  throw new ImageError(owner, `${has}: install a complete kernel (Debian: linux-image-cloud-amd64), ${CURE}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
