import { access } from "node:fs/promises";
import type { Abortable } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { ensureInitramfs } from "./initramfs/initramfs.ts";
import type { HostKernel } from "./kernel/kernel.ts";
import { ensureRootBoot, type RootBoot } from "./kernel/root-boot.ts";
import { assertFiles, type KernelSupply } from "./kernel/supply.ts";

/** The files that a guest is booted from. */
export interface BootAssets {
  readonly kernel: string;
  readonly initramfs: string;
  /** Absent for a guest that boots an initramfs of the caller's, which starts no agent. */
  readonly runtimeDrive?: string | undefined;
}

export interface BootAssetsParts {
  /** Where those are kept that machines share. */
  readonly cache: string;
  readonly kernel: KernelSupply;
  readonly spawn: Spawn;
  /** The file of the agent's runtime drive, made when it is first needed. */
  readonly runtimeDrive: (options: Abortable) => Promise<string>;
}

/** Where a kernel comes from: the driver's, one of the host, or that of the machine itself. */
export type KernelSource = "managed" | HostKernel | RootBoot;

/**
 * Kernel, initramfs and runtime drive. Those that machines share are found or made at the first start with each kernel,
 * then used as they are for as long as their files exist. To check at each start whether they are up to date would take
 * several programs.
 */
export class BootAssetSupply {
  readonly #parts: BootAssetsParts;
  readonly #known = new Map<string, BootFiles>();
  #drive: string | undefined;

  constructor(parts: BootAssetsParts) {
    this.#parts = parts;
  }

  async get(source: KernelSource, options: Abortable): Promise<BootAssets> {
    if (hasInitramfs(source)) {
      await assertFiles([source.kernel, source.initramfs]);
      return { kernel: source.kernel, initramfs: source.initramfs };
    }
    const files = await this.#filesFor(source, options);
    return { ...files, runtimeDrive: await this.#runtimeDrive(options) };
  }

  async #filesFor(source: KernelSource, options: Abortable): Promise<BootFiles> {
    const { cache, kernel: supply, spawn } = this.#parts;
    // A guest can change its own kernel at any time.
    if (source !== "managed" && "disk" in source) return ensureRootBoot(source, { ...options, spawn });
    const key = JSON.stringify(source);
    const known = this.#known.get(key);
    if (known !== undefined && (await allExist([known.kernel, known.initramfs]))) return known;
    const kernel = await supply.get(cache, options, source === "managed" ? undefined : source);
    const files = { kernel: kernel.kernel, initramfs: await ensureInitramfs(cache, kernel, options) };
    this.#known.set(key, files);
    return files;
  }

  async #runtimeDrive(options: Abortable): Promise<string> {
    if (this.#drive === undefined || !(await allExist([this.#drive])))
      this.#drive = await this.#parts.runtimeDrive(options);
    return this.#drive;
  }
}

/** Whether a kernel has an initramfs of the caller's. */
export function hasInitramfs(kernel: string | object): kernel is HostKernel & { readonly initramfs: string } {
  return typeof kernel === "object" && "initramfs" in kernel && kernel.initramfs !== undefined;
}

type BootFiles = Pick<BootAssets, "kernel" | "initramfs">;

async function allExist(paths: readonly string[]): Promise<boolean> {
  const found = await Promise.allSettled(paths.map((path) => access(path)));
  return found.every(({ status }) => status === "fulfilled");
}
