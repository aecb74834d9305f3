import { access } from "node:fs/promises";
import type { Abortable } from "@pileus/core";
import { ensureInitramfs } from "./initramfs/initramfs.ts";
import type { KernelSupply } from "./kernel/supply.ts";

/** The files that every guest is booted from. */
export interface BootAssets {
  readonly kernel: string;
  readonly initramfs: string;
  readonly runtimeDrive: string;
}

export interface BootAssetsParts {
  /** Where they are kept. */
  readonly cache: string;
  readonly kernel: KernelSupply;
  /** The file of the agent's runtime drive, made when it is first needed. */
  readonly runtimeDrive: (options: Abortable) => Promise<string>;
}

/**
 * Kernel, initramfs and runtime drive. They are found or made at the first start, then used as they are for as long as
 * their files exist. To check at each start whether they are up to date would take several programs.
 */
export class BootAssetSupply {
  readonly #parts: BootAssetsParts;
  #known: BootAssets | undefined;

  constructor(parts: BootAssetsParts) {
    this.#parts = parts;
  }

  async get(options: Abortable): Promise<BootAssets> {
    const known = this.#known;
    if (known !== undefined && (await allExist(Object.values(known)))) return known;
    const { cache, kernel: supply } = this.#parts;
    const kernel = await supply.get(cache, options);
    const runtimeDrive = await this.#parts.runtimeDrive(options);
    const initramfs = await ensureInitramfs(cache, kernel, options);
    this.#known = { kernel: kernel.image, initramfs, runtimeDrive };
    return this.#known;
  }
}

async function allExist(paths: readonly string[]): Promise<boolean> {
  const found = await Promise.allSettled(paths.map((path) => access(path)));
  return found.every(({ status }) => status === "fulfilled");
}
