import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "@pileus/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Apparmor, apparmorEntries, loadProfile, missingApparmor, parseProfiles } from "../src/apparmor.ts";
import { allBut, profileFor } from "../src/apparmor-profile.ts";
import { SYSTEM_CONFINEMENT } from "../src/confinement.ts";

const idmap = { base: 100_000, count: 65_536 };
const unprivileged = { hostName: "web", idmap };
const privileged = { hostName: "web", idmap: undefined };
const program = { ...unprivileged, confinement: { ...SYSTEM_CONFINEMENT, capabilities: ["CHOWN"] as const } };
const WITH_PARSER: Apparmor = { kind: "on", profiles: new Set(), parser: "/usr/sbin/apparmor_parser" };
const loaded = (...profiles: string[]): Apparmor => ({ kind: "on", profiles: new Set(profiles), parser: undefined });
const SYSTEM = profileFor(SYSTEM_CONFINEMENT);
const APPLICATION = profileFor(program.confinement);

it("does not confine a container if the kernel has no AppArmor", () => {
  expect(apparmorEntries(unprivileged, { kind: "absent" })).toEqual([["lxc.apparmor.profile", "unconfined"]]);
});

it.each([
  [unprivileged, WITH_PARSER],
  [privileged, WITH_PARSER],
  [unprivileged, loaded(SYSTEM.name)],
])("confines a system by our profile in which systemd can mount", (spec, apparmor) => {
  expect(apparmorEntries(spec, apparmor)).toEqual([
    ["lxc.apparmor.profile", SYSTEM.name],
    ["lxc.apparmor.allow_nesting", 1],
  ]);
});

it("confines programs without SYS_ADMIN by our profile in which nobody can mount", () => {
  expect(apparmorEntries(program, WITH_PARSER)).toEqual([["lxc.apparmor.profile", APPLICATION.name]]);
  expect(SYSTEM.text).toMatch(/^ {2}mount,$/m);
  expect(APPLICATION.text).not.toMatch(/^ {2}mount,$/m);
});

it("names a profile by what it says", () => {
  for (const { name, text } of [SYSTEM, APPLICATION]) expect(text).toContain(`profile ${name} `);
  expect(SYSTEM.name).toMatch(/^lxc-pileus-system-[0-9a-f]{12}$/);
  expect(APPLICATION.name).toMatch(/^lxc-pileus-application-[0-9a-f]{12}$/);
});

/** The pattern of paths of a rule as a regular expression: a small part of apparmor.d(5). */
function patternOf(rule: string): RegExp {
  const [, pattern = ""] = / (\S+) r?wkl,$/.exec(rule) ?? [];
  const words: Readonly<Record<string, string>> = { "**": ".*", "*": "[^/]*", "{": "(", "}": ")", ",": "|" };
  return new RegExp(`^${pattern.replaceAll(/\*\*?|[{},]/g, (word) => words[word] ?? word)}$`);
}

function denied(rules: readonly string[], path: string): boolean {
  return rules.some((rule) => patternOf(rule).test(path));
}

it("denies writes to all but some paths", () => {
  const rules = allBut("/p", ["net", "kernel/sem", "kernel/sem_next_id", "kernel/shm"]);
  const kept = ["net", "net/a", "net/a/b", "kernel/sem", "kernel/sem_next_id", "kernel/shm"];
  for (const path of kept) expect([path, denied(rules, `/p/${path}`)]).toEqual([path, false]);
  const others = ["a", "a/b/c", "nets", "netz/a", "kernel/core_pattern", "kernel/a/b", "kernels", "kernel/semi"];
  for (const path of [...others, "kernel/sem_next_ids", "kernel/shmall", "kernel/sh_", "vm/a"])
    expect([path, denied(rules, `/p/${path}`)]).toEqual([path, true]);
});

describe("the profiles", () => {
  const rulesOf = ({ text }: typeof SYSTEM) => [...text.matchAll(/^ {2}(.*)$/gm)].map(([, rule = ""]) => rule);
  const denials = (profile: typeof SYSTEM) => rulesOf(profile).filter((rule) => rule.startsWith("deny "));
  const [system, application] = [denials(SYSTEM), denials(APPLICATION)];

  it.each([
    ...["core_pattern", "modprobe", "sysrq", "hotplug", "kptr_restrict"].map((name) => `/proc/sys/kernel/${name}`),
    ...["/proc/sys/vm/drop_caches", "/proc/sys/fs/suid_dumpable", "/proc/sys/debug/x"],
    ...["/proc/sysrq-trigger", "/proc/kcore", "/proc/bus/pci/00/00.0", "/proc/acpi/wakeup"],
    ...["/sys/power/state", "/sys/module/x/parameters/y", "/sys/devices/system/cpu/cpu0/online", "/sys/class/leds/a/b"],
    ...[
      "/sys/firmware/efi/efivars/x",
      "/sys/kernel/mm/ksm/run",
      "/sys/kernel/core_pattern",
      "/sys/kernel/uevent_helper",
    ],
    ...["debug", "tracing", "security"].flatMap((name) => [`/sys/kernel/${name}/`, `/sys/kernel/${name}/a/b`]),
  ])("deny writes to what is the host's: %s", (path) => {
    expect([denied(system, path), denied(application, path)]).toEqual([true, true]);
  });

  it.each([
    ...["/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces", "/proc/sys/fs/mqueue/msg_max"],
    ...["hostname", "domainname", "ns_last_pid", "sem", "shmmax", "msgmnb"].map((name) => `/proc/sys/kernel/${name}`),
    // As AppArmor sees /proc/sys of a mount without a place.
    ...["/sys/net/ipv4/ip_unprivileged_port_start", "/sys/kernel/shmmax", "/sys/fs/mqueue/msg_max"],
    ...["/sys/fs/cgroup/a/cgroup.procs", "/sys/class/net/eth0/mtu", "/sys/devices/virtual/net/eth0/mtu", "/etc/passwd"],
  ])("leave a container what is its own: %s", (path) => {
    expect([denied(system, path), denied(application, path)]).toEqual([false, false]);
  });

  it("differ in who may mount, and in what a mount could otherwise show", () => {
    const common = ["capability,", "dbus,", "file,", "network,", "unix,", "umount,", "signal (receive),"];
    const peers = ["signal peer=@{profile_name},", "ptrace (readby, tracedby),", "ptrace peer=@{profile_name},"];
    const allowed = (profile: typeof SYSTEM) => rulesOf(profile).filter((rule) => !rule.startsWith("deny "));
    expect(allowed(SYSTEM)).toEqual([...common, ...peers, "mount,", "pivot_root,", "signal,", "ptrace,"]);
    expect(allowed(APPLICATION)).toEqual([...common, ...peers, "mount -> /proc/sys/net/,"]);
    for (const path of ["/sys/firmware/acpi/tables/x", "/sys/devices/virtual/powercap/x"])
      expect(denied(application, path)).toBe(true);
    for (const path of ["/dev/.lxc/proc/1/x", "/dev/.lxc/sys/x"]) expect(denied(system, path)).toBe(true);
  });
});

it.each([
  [unprivileged, "lxc-container-default-with-nesting"],
  [privileged, "lxc-container-default-cgns"],
])("uses a loaded profile if there is no parser", (spec, profile) => {
  expect(apparmorEntries(spec, loaded("other", profile))).toEqual([["lxc.apparmor.profile", profile]]);
});

it.each([
  [unprivileged, loaded("lxc-container-default-cgns")],
  [privileged, loaded("lxc-container-default-with-nesting")],
  [unprivileged, loaded()],
])("refuses to start a container that would not be confined, and says what to install", (spec, apparmor) => {
  expect(() => apparmorEntries(spec, apparmor)).toThrow(HostError);
  expect(() => apparmorEntries(spec, apparmor)).toThrow(/apparmor_parser .*apt-get install apparmor/);
});

it("loads our profile unless the kernel has it, whatever others it has", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-apparmor-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [parser, given] = [join(folder, "parser"), join(folder, "given")];
  await writeFile(parser, `#!/bin/sh\ncat >${given}\n`, { mode: 0o755 });
  const { name, text } = SYSTEM;
  const load = (...profiles: readonly string[]) =>
    loadProfile(unprivileged, { kind: "on", profiles: new Set(profiles), parser });
  await load(name);
  expect(existsSync(given)).toBe(false);
  await load("other");
  expect(await readFile(given, "utf8")).toBe(text);
});

it("reports to doctor() what is missing", () => {
  expect(missingApparmor({ kind: "absent" })).toEqual([]);
  expect(missingApparmor(WITH_PARSER)).toEqual([]);
  expect(missingApparmor(loaded("lxc-container-default-with-nesting"))).toEqual([]);
  expect(missingApparmor(loaded("lxc-container-default"))).toMatchObject([{ need: "binary:apparmor_parser" }]);
});

it("reads the names of loaded profiles, which may have blanks and brackets", () => {
  const text = "lxc-container-default (enforce)\n/usr/bin/man (complain)\na (b) c (enforce)\n";
  expect(parseProfiles(text)).toEqual(new Set(["lxc-container-default", "/usr/bin/man", "a (b) c"]));
});
