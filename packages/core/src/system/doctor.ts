import { existsSync } from "node:fs";
import { readFile, statfs } from "node:fs/promises";
import { release } from "node:os";
import type { Missing } from "../contract/errors.ts";
import type { DoctorReport } from "../contract/host.ts";
import type { HostReport } from "../driver/backend.ts";

type Fact = HostReport["facts"][number];

/** What any driver needs to know of this machine. Changes nothing. */
export async function probeHost(root: string): Promise<HostReport> {
  const missing: Missing[] = [];
  if (process.platform !== "linux")
    missing.push({
      need: "linux",
      reason: `this is ${process.platform}`,
      fix: "run it on Linux, or in a virtual machine",
    });
  const facts: Fact[] = [
    { name: "node", value: process.version },
    { name: "kernel", value: `${release()} ${process.arch}` },
    { name: "user", value: process.getuid?.() === 0 ? "root" : `uid ${process.getuid?.()}` },
    { name: "cgroups", value: await cgroupLayout() },
    { name: "disk", value: await diskSpace(root) },
  ];
  return { usable: missing.length === 0, missing, facts };
}

/** The layout that systemd's documentation names so (CGROUP_DELEGATION, "Three Scenarios"), and the controllers of each side. */
async function cgroupLayout(): Promise<string> {
  const unified = "/sys/fs/cgroup/cgroup.controllers";
  if (existsSync(unified)) return `unified: ${(await readFile(unified, "utf8")).trim() || "no controllers"}`;
  // The third field of mountinfo after the separator is the source, the first the type: proc_pid_mountinfo(5).
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" - "));
  const legacy = mounts
    .filter(([, rest]) => rest?.startsWith("cgroup "))
    .flatMap(([place]) => place?.split(" ")[4] ?? []);
  const hybrid = mounts.some(([, rest]) => rest?.startsWith("cgroup2 "));
  if (legacy.length === 0) return hybrid ? "unified" : "none";
  const names = legacy.map((path) => path.slice(path.lastIndexOf("/") + 1)).join(" ");
  return `${hybrid ? "hybrid" : "legacy"}: ${names}`;
}

async function diskSpace(root: string): Promise<string> {
  const { bavail, blocks, bsize } = await statfs(root);
  const gib = (count: number) => ((count * bsize) / 2 ** 30).toFixed(1);
  return `${gib(bavail)} GiB free of ${gib(blocks)} GiB at ${root}`;
}

/** The report with its printed form. */
export function doctorReport(host: HostReport, drivers: Readonly<Record<string, HostReport>>): DoctorReport {
  return { host, drivers, toString: () => renderReport(host, drivers) };
}

function renderReport(host: HostReport, drivers: Readonly<Record<string, HostReport>>): string {
  return [["host", host] as const, ...Object.entries(drivers)]
    .flatMap(([name, report]) => renderPart(name, report))
    .join("\n");
}

function renderPart(name: string, { usable, missing, facts }: HostReport): string[] {
  return [
    `${name}: ${usable ? "ok" : "cannot be used"}`,
    ...facts.map((fact) => `  ${fact.name}: ${fact.value}`),
    ...missing.flatMap(({ need, reason, fix }) => [`  missing ${need}: ${reason}`, `    fix: ${fix}`]),
  ];
}
