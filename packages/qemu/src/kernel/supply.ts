import { access } from "node:fs/promises";
import { HostError, type Missing, type ProgressOptions } from "@pileus/core";
import { findTool, type Spawn } from "@pileus/core/driver";
import { ensureDebianKernel } from "./debian.ts";
import { findCachedKernel, type GuestKernel } from "./kernel.ts";

export interface KernelSupplyOptions {
  /** Used as it is. */
  readonly given: GuestKernel | undefined;
  readonly spawn: Spawn;
}

/** Supplies the kernel of guests: the given one, else the newest in a cache folder, else a download into it. */
export class KernelSupply {
  readonly #options: KernelSupplyOptions;

  constructor(options: KernelSupplyOptions) {
    this.#options = options;
  }

  /**
   * Downloads a kernel into the folder if there is none.
   *
   * @param given In place of the given one.
   * @throws {HostError}
   */
  async get(folder: string, options: ProgressOptions = {}, given = this.#options.given): Promise<GuestKernel> {
    const { spawn } = this.#options;
    if (given !== undefined) {
      await assertFiles([given.kernel, given.modules]);
      return given;
    }
    return ensureDebianKernel({ ...options, folder, spawn });
  }

  /** Says what `get()` would do. `folder` is absent if no open host has one. Changes nothing. */
  async describe(
    folder: string | undefined,
  ): Promise<
    { readonly fact: string; readonly missing?: undefined } | { readonly fact?: undefined; readonly missing: Missing }
  > {
    const { given } = this.#options;
    const lacking = given === undefined ? undefined : await lackingFile([given.kernel, given.modules]);
    if (lacking !== undefined) return { missing: lacking };
    const known = given ?? (folder === undefined ? undefined : await findCachedKernel(folder));
    if (known !== undefined) return { fact: known.kernel };
    const apt = findTool("apt-get") !== undefined && findTool("dpkg-deb") !== undefined;
    if (apt) return { fact: "Debian's for virtual machines: downloaded by apt when first needed, not installed" };
    const fix = "give qemu({ kernel: { kernel, modules } }), or qemu({ cache }) with a folder that has one";
    return { missing: { need: "kernel", reason: "no kernel in the cache, and no apt to download one", fix } };
  }
}

/** @throws {HostError} if a file of a kernel is missing. */
export async function assertFiles(paths: readonly (string | undefined)[]): Promise<void> {
  const lacking = await lackingFile(paths);
  if (lacking !== undefined) throw new HostError("boot a virtual machine", [lacking]);
}

async function lackingFile(paths: readonly (string | undefined)[]): Promise<Missing | undefined> {
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      await access(path);
    } catch (error) {
      const fix = "give `kernel` paths that exist, or leave it out";
      return { need: `file:${path}`, reason: (error as NodeJS.ErrnoException).code ?? String(error), fix };
    }
  }
  return undefined;
}
