import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRuntimeDrive } from "@pileus/agent";
import { type Images, openHost } from "@pileus/core";
import { processArguments, spawn } from "@pileus/core/driver";
import { blinded, type DriverSubject, FIXTURE_USER, lacking, makeBusyboxRootfs } from "@pileus/core/testing";
import { cacheFolder } from "../../../../scripts/setup/folders.mjs";
import { cgroupsOf } from "../../../../test-support/cgroups.ts";
import { BootAssetSupply } from "../../src/boot-assets.ts";
import { qemu } from "../../src/index.ts";
import { KernelSupply } from "../../src/kernel/supply.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;

/** The folder in which tests keep what all machines share: the kernel is downloaded once. */
export const cache = cacheFolder();

/** What a machine with a nic needs from the host. */
export const MACHINE_NEEDS = [
  "root",
  "tun",
  "binary:qemu-system-x86_64",
  "binary:qemu-img",
  "binary:mkfs.ext4",
] as const;

/** How long {@link warmCache} may take on a host whose cache is empty, in milliseconds. */
export const WARMING = 600_000;

/**
 * Makes what all machines share, including a download by apt, so that no test has to wait for it. Does nothing if no
 * machine can run.
 */
export async function warmCache(): Promise<void> {
  if (MACHINE_NEEDS.some((need) => lacking(need) !== undefined)) return;
  const folder = join(cache, "qemu");
  const kernel = new KernelSupply({ given: undefined, spawn });
  const assets = new BootAssetSupply({
    cache: folder,
    kernel,
    spawn,
    runtimeDrive: ({ signal }) => buildRuntimeDrive({ folder, signal }),
  });
  await assets.get("managed", {});
}

/** The driver on a BusyBox with a shell script as init, on the machine of the given type. */
export function qemuSubject(machine: "q35" | "microvm", module: string): DriverSubject {
  return {
    driver: "qemu",
    capabilities: ["exec", "detached", "files", "freeze", "network", "metrics", "logs", "console", "reboot"],
    open: (root) => openHost({ root, drivers: [qemu({ cache })] }),
    openBlind: (root) => openHost({ root, drivers: [blinded(qemu({ cache }))] }),
    image: (host) => busyboxImage(host),
    async config(host) {
      const network = networkOf(host.root);
      await host.networks.create({ name: network });
      return {
        limits: { memory: "192MiB" },
        devices: { eth0: { type: "nic", network } },
        qemu: { machine, rootSize: "64MiB" },
      };
    },
    cleanUp: (host) => host.networks.delete(networkOf(host.root)),
    missing: async (host) => ({ program: "/sbin/init", image: await busyboxImage(host, { without: "/sbin/init" }) }),
    account: { name, uid, gid, groups: [gid, groupId] },
    greedy: { argv: ["dd", "if=/dev/zero", "of=/dev/null", "bs=150M", "count=1"] },
    slowOutput: true,
    prints: { stream: "console", text: /init: up/ },
    crash: { how: "kill", module },
    leftovers: async (root) => [
      ...(await machinesOf(root)),
      ...(await portsOf(networkOf(root))),
      ...(await cgroupsOf(await hostId(root))).filter((name) => name.endsWith(".qemu")),
    ],
    // The processor is emulated, and other work runs on this host.
    deadline: 60_000,
    needs: MACHINE_NEEDS,
  };
}

async function hostId(root: string): Promise<string> {
  return (JSON.parse(await readFile(join(root, "host.json"), "utf8")) as { id: string }).id;
}

/** The machines that hold open files of the root. */
export async function machinesOf(root: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await processArguments(pid))?.[0]?.startsWith("qemu")) return [];
      const files = (await openFiles(pid)).filter((path) => path.startsWith(`${root}/`));
      return files.length > 0 ? [`process ${pid}`] : [];
    }),
  );
  return found.flat();
}

/** The paths of the open files of a process; none if it has ended. */
export async function openFiles(pid: number): Promise<readonly string[]> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => "")));
}

/** The name of a root's network: two concurrent test runs do not share one. */
export function networkOf(root: string): string {
  return `pq${createHash("sha256").update(root).digest("hex").slice(0, 10)}`;
}

/** The interfaces on a bridge; none if there is no bridge. */
export async function portsOf(bridge: string): Promise<readonly string[]> {
  try {
    return (await readdir(`/sys/class/net/${bridge}/brif`)).map((name) => `interface ${name}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** A BusyBox with a shell script as init, or without. */
async function busyboxImage(host: { readonly images: Images }, { without }: { readonly without?: string } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-image-"));
  const root = join(folder, "rootfs");
  try {
    await makeBusyboxRootfs(root);
    if (without !== undefined) await rm(join(root, without));
    return await host.images.import(root);
  } finally {
    await rm(folder, { recursive: true });
  }
}
