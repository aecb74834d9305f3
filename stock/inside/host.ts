/** What the checks share: the host, its images, and configurations of instances. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Image, type Images, openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";
import { oci } from "@pileus/oci";
import { qemu } from "@pileus/qemu";

/** The folder of the application. */
const APPLICATION = new URL("../../", import.meta.url).pathname;
export const ROOT = "/var/lib/pileus";
export const NETWORK = { name: "app0" };
export const DRIVERS = ["lxc", "oci"] as const;

/** How many times slower this host is than the one that time limits are for: see measure.ts. */
export const FACTOR = Number(process.env["PILEUS_FACTOR"] ?? 1);

export const open = () => openHost({ root: ROOT, drivers: [lxc(), oci()] });

/** A host of virtual machines with the kernel that is installed here. */
export function openMachines(root = ROOT) {
  const [release = ""] = readdirSync("/lib/modules");
  const kernel = { kernel: `/boot/vmlinuz-${release}`, modules: `/lib/modules/${release}` };
  return openHost({ root, drivers: [qemu({ kernel })] });
}

/** A small image for the driver; that of `lxc` is for machines, too. Imported once. */
export async function image(images: Images, driver: "lxc" | "oci"): Promise<Image> {
  if (driver === "oci") return await images.import(`oci:${APPLICATION}oci/layout:bb`, { aliases: ["oci"] });
  const known = (await images.list()).find(({ aliases }) => aliases.includes("lxc"));
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), "pileus-image-"));
  try {
    await makeBusyboxRootfs(join(folder, "rootfs"));
    return await images.import(join(folder, "rootfs"), { aliases: ["lxc"] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A small Debian with systemd. */
export function debianImage(images: Images): Promise<Image> {
  return images.import(`${APPLICATION}debian.tar.zst`, { aliases: ["debian"] });
}

export const LIMITS = { memory: "64MiB", cpu: 0.5, processes: 60 };

/** An instance with limits and a nic. */
export function config(driver: "lxc" | "oci", name: string) {
  return {
    driver,
    name,
    image: driver,
    limits: LIMITS,
    devices: { eth0: { type: "nic" as const, network: NETWORK.name } },
  };
}

/** Runs a shell command of this host; its output, or an error with it. */
export function sh(command: string): string {
  const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command}: exit ${status}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** What names of the host end with that belong to an instance: its uuid. */
const keyOf = (name: string) => basename(readlinkSync(join(ROOT, "names", name)));

/** The AppArmor labels of all processes of a container, as the host sees them. */
export const apparmorLabels = (name: string): string[] => processFiles(name, "attr/current");

/** A file of each process of a container, in the host's /proc. */
export function processFiles(name: string, file: string): string[] {
  const pids = sh(`cat $(find /sys/fs/cgroup/pileus-*-${keyOf(name)} -name cgroup.procs)`).split("\n");
  return pids.map((pid) => readFileSync(`/proc/${pid}/${file}`, "utf8").trim());
}

/** Our AppArmor profiles in the kernel. */
export function apparmorProfiles(): string[] {
  const profiles = readFileSync("/sys/kernel/security/apparmor/profiles", "utf8").split("\n");
  return profiles.flatMap((line) => /^(lxc-pileus-\S+) \(enforce\)$/.exec(line)?.[1] ?? []).sort();
}

/** What a container leaves of AppArmor: namespaces of profiles, and compiled profiles in the parser's cache. */
export function apparmorTraces(): string[] {
  const folders = "/sys/kernel/security/apparmor/policy/namespaces /var/cache/lxc /var/cache/apparmor /run/pileus";
  return sh(`find ${folders} -mindepth 1 -name '*pileus-*'; true`)
    .split("\n")
    .filter((line) => line !== "");
}

/** The values of files of an instance's cgroup. */
export function cgroupValues(name: string, files: readonly string[]): string[] {
  const key = keyOf(name);
  const folder = readdirSync("/sys/fs/cgroup").find(
    (entry) => entry.startsWith("pileus-") && entry.endsWith(`-${key}`),
  );
  return files.map((file) =>
    readFileSync(join("/sys/fs/cgroup", folder ?? `no cgroup of ${name}`, file), "utf8").trim(),
  );
}
