import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { Abortable, HostReport } from "@pileus/core";
import {
  type CgroupLayout,
  canMountOverlay,
  findTool,
  type Missing,
  missingTools,
  readCgroupLayout,
  reportIds,
  spawn,
} from "@pileus/core/driver";
import { type Apparmor, describeApparmor, missingApparmor, readApparmor } from "./apparmor.ts";
import { missingCgroupAccess, missingRoot } from "./host-facts.ts";
import { describeQuota, inotifyQuota, keyQuota } from "./kernel-quotas.ts";

/** The tools and the packages of Debian that have them. */
const TOOLS = {
  "lxc-start": "lxc",
  "lxc-attach": "lxc",
  nsenter: "util-linux",
  ip: "iproute2",
} as const;

const MIN_LIBLXC = 5;

/** Overlays over idmapped layers: Linux 5.19. */
const MIN_KERNEL = [5, 19] as const;

/** What of a host decides whether liblxc can run containers there. */
export interface RuntimeHost {
  /** `undefined` stands for no liblxc, which the missing tools already report. */
  readonly liblxc: string | undefined;
  /** The release of the kernel, as of uname(2). */
  readonly kernel: string;
  readonly hasOverlay: boolean;
  readonly hasSeccomp: boolean;
  readonly cgroups: Pick<CgroupLayout, "kind">;
  readonly apparmor: Apparmor;
}

/** Whether containers can run on this host, for every driver that uses liblxc. Changes nothing. */
export async function probeRuntime(options: Abortable = {}): Promise<HostReport> {
  const cgroups = readCgroupLayout();
  const host: RuntimeHost = {
    liblxc: await liblxcVersion(options),
    kernel: release(),
    hasOverlay: canMountOverlay(),
    // proc_sys_kernel(5) and seccomp(2): the folder is there exactly if the kernel has filters.
    hasSeccomp: existsSync("/proc/sys/kernel/seccomp"),
    cgroups,
    apparmor: readApparmor(),
  };
  const root = missingRoot();
  const ids = root.length === 0 ? reportIds() : { missing: [], facts: [] };
  const missing = [
    ...root,
    ...missingTools(TOOLS),
    ...missingOn(host),
    ...(root.length === 0 ? missingCgroupAccess(cgroups) : []),
    ...ids.missing,
  ];
  return {
    usable: missing.length === 0,
    missing,
    facts: [
      { name: "liblxc", value: host.liblxc ?? "absent" },
      { name: "kernel", value: host.kernel },
      { name: "cgroups", value: cgroups.kind },
      { name: "apparmor", value: describeApparmor(host.apparmor) },
      ...ids.facts,
      ...quotaFacts(),
    ],
  };
}

/** What containers lack on such a host, whoever makes them. Pure. */
export function missingOn(host: RuntimeHost): readonly Missing[] {
  return [
    ...missingLiblxc(host.liblxc),
    ...missingKernel(host),
    ...missingSeccomp(host),
    ...missingCgroups(host),
    ...missingApparmor(host.apparmor),
  ];
}

/** How near the limits are that all containers of this host share. */
function quotaFacts(): HostReport["facts"] {
  const uid = process.geteuid?.() ?? 0;
  const keys = keyQuota(existsSync("/proc/key-users") ? readFileSync("/proc/key-users", "utf8") : "", uid);
  // security/keys/key.c: root of the host has a limit of its own.
  const setting = (keys?.most ?? 0) === keyLimit("maxkeys") ? "kernel.keys.maxkeys" : "kernel.keys.root_maxkeys";
  return [
    { name: "inotify instances", value: describeQuota(inotifyQuota(), "fs.inotify.max_user_instances") },
    ...(keys === undefined ? [] : [{ name: "keys", value: describeQuota(keys, setting) }]),
  ];
}

function keyLimit(name: string): number {
  return Number(readFileSync(`/proc/sys/kernel/keys/${name}`, "utf8"));
}

function missingLiblxc(version: string | undefined): readonly Missing[] {
  if (version === undefined || !(majorOf(version) < MIN_LIBLXC)) return [];
  const fix = `install lxc ${MIN_LIBLXC} or later`;
  return [{ need: `liblxc:${MIN_LIBLXC}`, reason: `liblxc ${version} is too old and not supported`, fix }];
}

function majorOf(version: string): number {
  return Number.parseInt(version, 10);
}

function missingKernel({ kernel, hasOverlay }: RuntimeHost): readonly Missing[] {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  const old = major < MIN_KERNEL[0] || (major === MIN_KERNEL[0] && minor < MIN_KERNEL[1]);
  return [
    ...(old
      ? [{ need: "kernel:5.19", reason: `Linux ${kernel} cannot stack idmapped layers`, fix: "boot a newer kernel" }]
      : []),
    ...(hasOverlay ? [] : [{ need: "kernel:overlay", reason: "no overlay file system", fix: "modprobe overlay" }]),
  ];
}

/** Without filters of system calls, no container starts unless its configuration asks for none. */
function missingSeccomp({ hasSeccomp }: RuntimeHost): readonly Missing[] {
  if (hasSeccomp) return [];
  const reason = "the kernel cannot filter system calls";
  return [{ need: "kernel:seccomp", reason, fix: "boot a kernel with CONFIG_SECCOMP_FILTER" }];
}

function missingCgroups({ cgroups, liblxc: version }: RuntimeHost): readonly Missing[] {
  // LXC 7: "Unsupported cgroup layout".
  if (version === undefined || majorOf(version) < 7 || cgroups.kind === "unified") return [];
  const fix = "boot with systemd.unified_cgroup_hierarchy=1, or install lxc 6";
  return [{ need: "cgroup2", reason: `liblxc ${version} refuses a ${cgroups.kind} layout`, fix }];
}

async function liblxcVersion(options: Abortable): Promise<string | undefined> {
  if (findTool("lxc-start") === undefined) return undefined;
  return (await spawn(["lxc-start", "--version"], options)).stdout.trim();
}
