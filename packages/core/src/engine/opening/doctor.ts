import { statfs } from "node:fs/promises";
import { release } from "node:os";
import type { AnyDriver } from "../../contract/backend.ts";
import type { DoctorReport } from "../../contract/host.ts";
import type { HostReport } from "../../contract/report.ts";
import type { Missing } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { DEBIAN_TOOLS } from "../../images/source/debian.ts";
import { whyNoCell } from "../../system/cell.ts";
import { readCgroupLayout } from "../../system/cgroup.ts";
import { missingTools } from "../../system/find-tool.ts";
import { findCgroupPlace } from "../../system/own-cgroup.ts";

type Facts = HostReport["facts"];

/** Examines the machine, the networks and every driver: what there is and what is missing. Changes nothing. */
export async function examine(
  root: string,
  issues: Facts,
  drivers: readonly { readonly driver: AnyDriver }[],
  probeNetworks: (options: Abortable) => Promise<Omit<HostReport, "usable">>,
  options: Abortable,
): Promise<DoctorReport> {
  const [host, networks, ...reports] = await Promise.all([
    probeMachine(root),
    probeNetworks(options),
    ...drivers.map(async ({ driver }): Promise<[string, HostReport]> => [driver.name, await driver.probe(options)]),
  ]);
  const report = {
    host: { ...host, facts: [...host.facts, ...issues] },
    networks: { ...networks, usable: networks.missing.length === 0 },
    drivers: Object.fromEntries(reports),
  };
  return { ...report, toString: () => renderReport(report) };
}

/** What every driver needs of this machine. */
async function probeMachine(root: string): Promise<HostReport> {
  const missing: Missing[] = [];
  if (process.platform !== "linux")
    missing.push({
      need: "linux",
      reason: `this is ${process.platform}`,
      fix: "run it on Linux, or in a virtual machine",
    });
  const facts: Facts = [
    { name: "node", value: process.version },
    { name: "kernel", value: `${release()} ${process.arch}` },
    { name: "user", value: process.getuid?.() === 0 ? "root" : `uid ${process.getuid?.()}` },
    { name: "cgroups", value: cgroups() },
    { name: "cgroups of our own", value: ownCgroups() },
    { name: "disk", value: await diskSpace(root) },
    { name: "unpacking", value: unpacking() },
    ...Object.entries(SOURCES).flatMap(([name, tools]) => sourceFacts(name, tools)),
  ];
  missing.push(...missingTools(UNPACKERS));
  return { usable: missing.length === 0, missing, facts };
}

/** What every import of an image needs. */
const UNPACKERS = { tar: "tar", setpriv: "util-linux" } as const;

/** What some sources of images need besides: a host without it can use the others. */
const SOURCES = {
  "Debian images": DEBIAN_TOOLS,
  "squashfs images": { unsquashfs: "squashfs-tools" },
  "disk images": { "qemu-img": "qemu-utils" },
  "archives of xz": { xz: "xz-utils" },
  "archives of zstd": { zstd: "zstd" },
} as const;

function sourceFacts(name: string, tools: Readonly<Record<string, string>>): Facts {
  return missingTools(tools).map(({ need, reason, fix }) => ({
    name,
    value: `refused: ${need.replace("binary:", "")} is ${reason}; fix: ${fix}`,
  }));
}

function cgroups(): string {
  const layout = readCgroupLayout();
  return `${layout.kind}, at ${layout.hierarchies.map(({ path }) => path).join(" ")}`;
}

/** Whether what outlives this process also outlives its service. */
function ownCgroups(): string {
  const place = findCgroupPlace();
  if (place.kind === "scope") return "scopes of systemd, one for each machine and each server of a network";
  if (place.kind === "folders") return "at the root of each hierarchy";
  return `none (${place.reason}): machines and servers of networks end when a service manager stops this service`;
}

/** Whether the tool that unpacks images is confined to its folder. */
function unpacking(): string {
  const why = whyNoCell("tar");
  return why === undefined
    ? "confined to its folder"
    : `not confined to its folder (${why}): it gets only checked archives`;
}

async function diskSpace(root: string): Promise<string> {
  const { bavail, blocks, bsize } = await statfs(root);
  const gib = (count: number) => ((count * bsize) / 2 ** 30).toFixed(1);
  return `${gib(bavail)} GiB free of ${gib(blocks)} GiB at ${root}`;
}

/** One line for each fact; two for each missing thing: the reason and the fix. Pure. */
export function renderReport({ host, networks, drivers }: Pick<DoctorReport, "host" | "networks" | "drivers">): string {
  const parts = [["host", host] as const, ["networks", networks] as const, ...Object.entries(drivers)];
  return parts.flatMap(([name, report]) => renderPart(name, report)).join("\n");
}

function renderPart(name: string, { usable, missing, facts }: HostReport): string[] {
  return [
    `${name}: ${usable ? "ok" : "cannot be used"}`,
    ...facts.map((fact) => `  ${fact.name}: ${fact.value}`),
    ...missing.flatMap(({ need, reason, fix }) => [`  missing ${need}: ${reason}`, `    fix: ${fix}`]),
  ];
}
