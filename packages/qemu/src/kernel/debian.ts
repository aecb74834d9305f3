import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, HostError, type ProgressOptions } from "@pileus/core";
import { acquireLock, hostFailure, makeFolders, type Spawn, type SpawnOptions, spawn } from "@pileus/core/driver";
import { findCachedKernel, type GuestKernel, kernelFolder, kernelIn } from "./kernel.ts";
import { extractVmlinux } from "./vmlinux.ts";

/** Options of {@link ensureDebianKernel}: where it keeps the kernel, and how to report progress. */
export interface DebianKernelOptions extends ProgressOptions {
  /** The folder of the kernel; made if it is missing. Hosts and processes can share it. */
  readonly folder: string;
  /** For tests. */
  readonly spawn?: Spawn | undefined;
}

const SCRATCH = ".download-";

/** The packages that depend on the newest kernel for virtual machines: Debian's, then Ubuntu's. */
const META_PACKAGES = ["linux-image-cloud-amd64", "linux-image-virtual"] as const;

/**
 * The distribution's kernel for virtual machines, from the folder, or by `apt-get download` into it. Nothing is
 * installed: the packages are only unpacked. If apt has no package lists, they are fetched into the folder for the time
 * of the download.
 *
 * All or nothing; an abort or a crash leaves no incomplete kernel that could be taken for a complete one. Concurrent
 * calls download once.
 *
 * @throws {HostError} when apt is missing or knows no such kernel.
 */
export async function ensureDebianKernel(options: DebianKernelOptions): Promise<GuestKernel> {
  const { folder, signal } = options;
  makeFolders(folder, 0o700);
  const cached = await findCachedKernel(folder);
  if (cached !== undefined) return cached;
  await using lock = await acquireLock(join(folder, "lock"), { signal });
  const meanwhile = await findCachedKernel(folder);
  if (meanwhile !== undefined) return meanwhile;
  // Left by a process that was killed: only the holder of the lock downloads.
  for (const name of await readdir(folder)) {
    if (name.startsWith(SCRATCH)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const scratch = await mkdtemp(join(folder, SCRATCH));
  try {
    // After a crash the next process removes the scratch folder: no leftover tool may write to it then.
    return await download(scratch, options, { diesWithUs: true, descriptors: [lock.descriptor] });
  } catch (error) {
    throw hostFailure("get a kernel for virtual machines", error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function download(scratch: string, options: DebianKernelOptions, held: SpawnOptions): Promise<GuestKernel> {
  const { folder, signal, onProgress } = options;
  const run = options.spawn ?? spawn;
  const apt = new Apt(scratch, run, { ...held, signal });
  onProgress?.({ phase: "find kernel", done: 0 });
  const packages = await apt.kernelPackages();
  for (const [index, name] of packages.entries()) {
    onProgress?.({ phase: `fetch ${name}`, done: index, total: packages.length });
    await apt.download(name);
  }
  const unpacked = join(scratch, "root");
  const archives = (await readdir(scratch)).filter((name) => name.endsWith(".deb"));
  for (const [index, name] of archives.entries()) {
    onProgress?.({ phase: "unpack kernel", done: index, total: archives.length });
    await run(["dpkg-deb", "--extract", join(scratch, name), unpacked], { ...held, signal });
  }
  return arrange(unpacked, scratch, folder, run);
}

// boot/vmlinuz-RELEASE and lib/modules/RELEASE (or usr/lib/modules) become one folder, put in place by one rename.
async function arrange(unpacked: string, scratch: string, folder: string, run: Spawn): Promise<GuestKernel> {
  const image = (await readdir(join(unpacked, "boot"))).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw noKernel("the package holds no boot/vmlinuz-*");
  const release = image.slice("vmlinuz-".length);
  const ready = join(scratch, "ready");
  await mkdir(ready);
  const packed = await readFile(join(unpacked, "boot", image));
  await writeFile(join(ready, "kernel"), extractVmlinux(packed) ?? packed);
  const library = (await readdir(unpacked)).includes("lib") ? "lib" : "usr/lib";
  await rename(join(unpacked, library, "modules", release), join(ready, "modules"));
  // The name promises a complete kernel, even after a crash of the machine. sync(1) flushes the whole file system,
  // because the kernel has hundreds of files.
  await run(["sync", "-f", ready], { fromPackage: "coreutils" });
  const target = kernelFolder(folder, release);
  await rename(ready, target);
  return kernelIn(target);
}

/** apt with the host's package lists, or with lists of its own. It changes nothing outside of its folder. */
class Apt {
  readonly #folder: string;
  readonly #spawn: Spawn;
  readonly #options: SpawnOptions;
  #ownLists: readonly string[] = [];

  constructor(folder: string, run: Spawn, options: SpawnOptions) {
    this.#folder = folder;
    this.#spawn = run;
    this.#options = { ...options, cwd: folder };
  }

  /** The packages with the image and the modules of the newest kernel. */
  async kernelPackages(): Promise<readonly string[]> {
    const found = (await this.#findKernel()) ?? (await this.#withOwnLists(() => this.#findKernel()));
    if (found === undefined) throw noKernel(`apt knows none of ${META_PACKAGES.join(", ")}`);
    const modules = (await this.#dependencies(found)).find((name) => name.startsWith("linux-modules-"));
    return modules === undefined ? [found] : [found, modules];
  }

  async download(name: string): Promise<void> {
    await this.#spawn(["apt-get", ...this.#ownLists, "--quiet", "download", name], this.#options);
  }

  async #findKernel(): Promise<string | undefined> {
    for (const meta of META_PACKAGES) {
      const found = (await this.#dependencies(meta)).find((name) => /^linux-image-(unsigned-)?\d/.test(name));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #withOwnLists<T>(use: () => Promise<T>): Promise<T> {
    const state = join(this.#folder, "apt");
    makeFolders(join(state, "lists", "partial"));
    this.#ownLists = ["-o", `Dir::State::Lists=${state}/lists`, "-o", `Dir::Cache=${state}`];
    await this.#spawn(["apt-get", ...this.#ownLists, "--quiet", "update"], this.#options);
    return use();
  }

  async #dependencies(name: string): Promise<readonly string[]> {
    try {
      const argv = ["apt-cache", ...this.#ownLists, "show", "--no-all-versions", name];
      const { stdout } = await this.#spawn(argv, this.#options);
      return parseDepends(stdout);
    } catch (error) {
      // apt-cache(8) exits with 100 for a package that it does not know.
      if (error instanceof CommandError && error.exitCode === 100) return [];
      if (error instanceof HostError) throw noKernel("apt is missing", error);
      throw error;
    }
  }
}

/** The names in the `Depends` of a package's record (deb-control(5)), alternatives in their order. */
export function parseDepends(record: string): readonly string[] {
  const field = /^Depends:(.*(?:\n[ \t].*)*)/m.exec(record)?.[1] ?? "";
  return field
    .split(/[,|]/)
    .map((item) => item.trim().split(/[\s(:]/)[0] ?? "")
    .filter((name) => name !== "");
}

function noKernel(reason: string, cause?: unknown): HostError {
  const fix = "give qemu({ kernel: { kernel, modules } }), or run on Debian or Ubuntu with apt";
  return new HostError("get a kernel for virtual machines", [{ need: "kernel", reason, fix }], { cause });
}
