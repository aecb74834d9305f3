import { createHash } from "node:crypto";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type BusyboxSearch, findStaticBusybox, renderStartScript, renderSystemdUnit } from "@pileus/agent";
import { type Abortable, HostError } from "@pileus/core";
import { acquireLock, hostFailure, makeFolders, replaceFile } from "@pileus/core/driver";
import type { GuestKernel } from "../kernel/kernel.ts";
import {
  type CollectOptions,
  collectModules,
  type KernelModule,
  type ModuleFiles,
  modulesIn,
} from "../kernel/modules.ts";
import { type CpioEntry, renderCpio } from "./cpio.ts";
import { INIT_SCRIPT, LEASE_SCRIPT, SETTLE_SCRIPT } from "./init-script.ts";

/** Needed to find and mount the root, and to reach the network; beside the driver of the machine's bus. */
export const REQUIRED_MODULES = ["virtio_blk", "virtio_net", "virtio_console", "af_packet", "ext4", "squashfs"];
const FIRST_MODULES = ["virtio_pci", "virtio_mmio", ...REQUIRED_MODULES, "erofs"];
/** Needed by the time that the guest's own init runs. Its root has no modules of this kernel to load. */
const SECOND_MODULES = ["virtio_rng", "virtio_mem", "pvpanic_pci", "button", "evdev", "overlay", "fuse", "autofs4"];

const SCRIPTS: Readonly<Record<string, string>> = {
  init: INIT_SCRIPT,
  lease: LEASE_SCRIPT,
  settle: SETTLE_SCRIPT,
  "start-agent": renderStartScript(),
  "pileus-agent.service": renderSystemdUnit(),
};

/** The applets that the scripts call. */
const APPLETS = [
  ...["[", "cat", "chroot", "cp", "cut", "hostname", "insmod", "ip", "ln", "mkdir", "mount", "poweroff"],
  ...["readlink", "setsid", "sh", "sleep", "switch_root", "sync", "udhcpc"],
];

/** Options of {@link ensureInitramfs}. */
export interface InitramfsOptions extends Abortable {
  /** Finds a static BusyBox; for tests. */
  readonly findBusybox?: (() => Promise<BusyboxSearch>) | undefined;
}

/**
 * The file of the initramfs for a kernel, made when it is first needed. Its name is derived from everything that goes
 * into it: a change of the kernel, of this package or of the agent leads to a new file, and an existing file is right.
 *
 * @throws {HostError} if the host has no static BusyBox.
 */
export async function ensureInitramfs(
  folder: string,
  kernel: GuestKernel,
  options: InitramfsOptions = {},
): Promise<string> {
  const base = await readBase(options);
  const path = join(folder, `initramfs-${base.mark(await identifyKernel(kernel))}`);
  if (await exists(path)) return path;
  const modules = kernel.modules === undefined ? undefined : modulesIn(kernel.modules);
  const { archive } = await base.build(modules, options);
  makeFolders(folder, 0o700);
  await using _lock = await acquireLock(join(folder, "initramfs.lock"), options);
  // Left by a process that was killed: only the holder of the lock writes one.
  for (const name of await readdir(folder)) if (/^\.initramfs-.*\.tmp$/.test(name)) await rm(join(folder, name));
  await replaceFile(path, archive).catch((error: unknown) => {
    throw hostFailure("build an initramfs", error);
  });
  return path;
}

/** What is in every initramfs: all but the modules of a kernel. */
export interface InitramfsBase {
  /** A short hash of this, and of what tells a kernel from others. */
  mark(kernel: string): string;
  /** The archive with the modules that are needed, and their names. Without modules for a kernel that has all built in. */
  build(
    modules: ModuleFiles | undefined,
    options: CollectOptions,
  ): Promise<{ readonly archive: Buffer; readonly modules: readonly string[] }>;
}

/** @throws {HostError} if the host has no static BusyBox. */
export async function readBase({ findBusybox = findStaticBusybox }: InitramfsOptions): Promise<InitramfsBase> {
  const busybox = await readBusybox(findBusybox);
  return {
    mark(kernel) {
      const key = createHash("sha256");
      // The archive without modules stands for everything that this package decides.
      key.update(renderInitramfs({ busybox, first: [], second: [] }));
      key.update([...FIRST_MODULES, ...SECOND_MODULES, kernel].join("\n"));
      return key.digest("hex").slice(0, 16);
    },
    async build(modules, options) {
      const wanted = [FIRST_MODULES, SECOND_MODULES];
      const [first = [], second = []] = modules === undefined ? [] : await collectModules(modules, wanted, options);
      const names = [...first, ...second].map(({ name }) => name);
      return { archive: renderInitramfs({ busybox, first, second }), modules: names };
    },
  };
}

/** Builds the archive. Pure. */
function renderInitramfs(content: {
  readonly busybox: Buffer;
  readonly first: readonly KernelModule[];
  readonly second: readonly KernelModule[];
}): Buffer {
  const { busybox, first, second } = content;
  const directory = (name: string): CpioEntry => ({ name, type: "directory", mode: 0o755 });
  const file = (name: string, data: Uint8Array | string, mode = 0o644): CpioEntry => ({
    name,
    type: "file",
    mode,
    data,
  });
  const list = (modules: readonly KernelModule[]) => modules.map((module) => `${module.name}\n`).join("");
  return renderCpio([
    ...["bin", "dev", "modules", "newroot", "proc", "sys"].map(directory),
    // The kernel opens the console for process 1 before anything can be mounted. The shell opens /dev/null for its
    // background jobs, even after it has handed over the /dev that has the devices.
    { name: "dev/console", type: "character-device", mode: 0o600, device: { major: 5, minor: 1 } },
    { name: "dev/null", type: "character-device", mode: 0o666, device: { major: 1, minor: 3 } },
    file("bin/busybox", busybox, 0o755),
    ...APPLETS.map((name): CpioEntry => ({ name: `bin/${name}`, type: "symlink", mode: 0o777, data: "busybox" })),
    ...Object.entries(SCRIPTS).map(([name, text]) => file(name, text, 0o755)),
    ...[...first, ...second].map((module) => file(`modules/${module.name}.ko`, module.content)),
    file("modules/first", list(first)),
    file("modules/second", list(second)),
  ]);
}

// By size and time instead of content: the image has megabytes, and every start needs this.
async function identifyKernel(kernel: GuestKernel): Promise<string> {
  const paths = kernel.modules === undefined ? [kernel.kernel] : [kernel.kernel, kernel.modules];
  const parts = paths.map(async (path) => {
    const { size, mtimeMs, ino } = await stat(path);
    return `${path} ${size} ${mtimeMs} ${ino}`;
  });
  return (await Promise.all(parts)).join("\n");
}

async function readBusybox(find: () => Promise<BusyboxSearch>): Promise<Buffer> {
  const { path, missing } = await find();
  if (missing !== undefined) throw new HostError("build an initramfs", [missing]);
  return readFile(path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
