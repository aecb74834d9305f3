import { CommonConfigSchema, type CpuLimit, type InstanceConfig } from "@pileus/core";
import { describe, expect, it } from "vitest";
import { refusedCpu } from "../src/cpu-limits.ts";
import { defaultProcesses, refusedLimits } from "../src/limits.ts";
import { plan } from "../src/plan.ts";
import { refusals } from "../src/refusals.ts";
import { LxcSectionSchema } from "../src/section.ts";
import { LEGACY_FACTS, UNIFIED_FACTS } from "./support/spec.ts";

const FOUND = LEGACY_FACTS.cgroups.controller("cpu");

function config(more: Record<string, unknown> = {}, lxc?: unknown): InstanceConfig {
  const common = CommonConfigSchema.parse({ name: "web", driver: "lxc", image: "debian", ...more });
  return { ...common, lxc: LxcSectionSchema.parse(lxc) };
}

describe("the plan of a change", () => {
  it("is empty at create, and for settings that stay the same", () => {
    expect(plan(config(), config(), []).changes).toEqual([]);
    expect(plan(undefined, config({ limits: { cpu: 1 } }), []).changes).toEqual([]);
  });
  it("distinguishes live, next-start and impossible changes", () => {
    const after = config({ labels: { a: "b" }, limits: { memory: "1GiB" }, image: "other" }, { privileged: true });
    expect(Object.fromEntries(plan(config(), after, []).changes.map(({ path, effect }) => [path, effect]))).toEqual({
      image: "unsupported",
      labels: "live",
      "limits.memory": "live",
      "lxc.privileged": "unsupported",
    });
  });
  it.for([
    { init: ["/init"] },
    { haltSignal: "SIGTERM" },
    { capabilities: { drop: ["CHOWN"] } },
    { noNewPrivileges: true },
    { seccomp: "unconfined" },
  ])("waits for the next start with %j", (section) => {
    const [key] = Object.keys(section);
    expect(plan(config(), config({}, section), []).changes).toEqual([{ path: `lxc.${key}`, effect: "next-start" }]);
  });
  it("does not offer to change what is chosen at create", () => {
    const after = config({}, { idmap: { base: 5_000_000 } });
    expect(plan(config(), after, []).changes).toMatchObject([{ path: "lxc.idmap", effect: "unsupported" }]);
  });
  it("refuses settings that no container can have, with the reason", () => {
    const issues = (more: Record<string, unknown>) =>
      refusals(config(more), LEGACY_FACTS.cgroups).map(({ path, message }) => `${path.join(".")}: ${message}`);
    expect(issues({ limits: { memory: 2 ** 20 - 1 } })).toEqual([
      "limits.memory: no container can start with less than 1 MiB",
    ]);
    expect(issues({ env: { PATH: "a\nb", A: "a\nb", "a-b": "\r" } })).toEqual([
      "env.PATH: this variable cannot hold a line break",
      "env.a-b: this variable cannot hold a line break",
    ]);
    expect(issues({ limits: { memory: 2 ** 20 }, env: { PATH: "a", "a-b": "c" } })).toEqual([]);
  });
  it("refuses a line break in every variable that the program with liblxc would act on", () => {
    const names = ["LD_PRELOAD", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "MALLOC_TRACE", "LXC_X", "PATH", "HOME"];
    const env = Object.fromEntries(
      [...names, "TMPDIR", "XDG_RUNTIME_DIR", "PATHS", "HOMES"].map((name) => [name, "\n"]),
    );
    const refused = refusals(config({ env }), LEGACY_FACTS.cgroups).map(({ path }) => path[1]);
    expect(refused).toEqual([...names, "TMPDIR", "XDG_RUNTIME_DIR"]);
  });
  it("refuses limits that this host cannot enforce, with the reason", () => {
    const { limits } = config({ limits: { cpu: 0.001, processes: 5 } });
    expect(refusedLimits(limits, LEGACY_FACTS.cgroups).map(({ path }) => path)).toEqual([["limits", "cpu"]]);
    const without = {
      controller: (name: string) => (name === "cpu" ? UNIFIED_FACTS.cgroups.controller("cpu") : undefined),
    };
    const { changes } = plan(undefined, config({ limits }), refusedLimits(limits, without));
    expect(changes.map(({ path, effect }) => [path, effect])).toEqual([
      ["limits.processes", "unsupported"],
      ["limits.cpu", "unsupported"],
    ]);
  });
  it("refuses a share of a processor below a hundredth, and takes that", () => {
    const refused = (cpu: number) =>
      refusedLimits({ cpu: { limit: cpu } }, LEGACY_FACTS.cgroups).map(({ path }) => path);
    expect([refused(0.0099), refused(0.01)]).toEqual([[["limits", "cpu"]], []]);
  });
  it("refuses processors that the host does not have", () => {
    const refused = (set: string, cgroups = LEGACY_FACTS.cgroups) =>
      refusedCpu({ set }, cgroups, "0-3,6").map(({ path, message }) => `${path.join(".")}: ${message}`);
    expect(["0", "0-3,6", "6,1"].flatMap((set) => refused(set))).toEqual([]);
    expect(refused("2-5")).toEqual(["limits.cpu.set: this host has no processor 4 and 1 more of them: it has 0-3,6"]);
    expect(refused("7")).toEqual(["limits.cpu.set: this host has no processor 7: it has 0-3,6"]);
  });
  it("needs the controller of each part of a limit of processors alone", () => {
    const only = (name: string) => ({ controller: (one: string) => (one === name ? FOUND : undefined) });
    const refused = (limit: CpuLimit, has: string) =>
      refusedCpu(limit, only(has), "0").map(({ path }) => path.join("."));
    expect(refused({ limit: 1, priority: 5, set: "0" }, "cpu")).toEqual(["limits.cpu.set"]);
    expect(refused({ set: "0" }, "cpuset")).toEqual([]);
    expect(refused({ priority: 5, set: "0" }, "cpuset")).toEqual(["limits.cpu"]);
  });
  it("names a missing controller of memory alone, whatever the limit of swap space", () => {
    const { limits } = config({ limits: { memory: { limit: "1GiB", swap: 0 } } });
    const without = { controller: () => undefined };
    expect(refusedLimits(limits, without, false).map(({ path }) => path)).toEqual([["limits", "memory"]]);
  });
  it("refuses a limit of swap space if the kernel does not count it", () => {
    const { limits } = config({ limits: { memory: { limit: "1GiB", swap: 0 } } });
    expect(refusedLimits(limits, UNIFIED_FACTS.cgroups, true)).toEqual([]);
    expect(refusedLimits(limits, UNIFIED_FACTS.cgroups, false)).toMatchObject([{ path: ["limits", "memory", "swap"] }]);
    const { limits: unbounded } = config({ limits: { memory: "1GiB" } });
    expect(refusedLimits(unbounded, UNIFIED_FACTS.cgroups, false)).toEqual([]);
  });
});

describe("the section lxc", () => {
  it("is unprivileged by default", () => {
    const confinement = { capabilities: { add: [], drop: [] }, noNewPrivileges: false, seccomp: "default" };
    expect(LxcSectionSchema.parse(undefined)).toEqual({ privileged: false, ...confinement });
  });
  it.each([{ init: [] }, { init: [""] }, { init: ["a\0b"] }, { haltSignal: "SIGNONE" }, { privilege: true }])(
    "refuses %j",
    (section) => {
      expect(LxcSectionSchema.safeParse(section).success).toBe(false);
    },
  );
});

describe("the number of processes of a container without a limit of its own", () => {
  it.for([
    { pid_max: 4_194_304, "threads-max": 2_000_000, is: 16_384 },
    { pid_max: 32_768, "threads-max": 192_730, is: 4915 },
    { pid_max: 4_194_304, "threads-max": 15_000, is: 2250 },
  ])("leaves the host enough: %j", ({ is, ...host }) => {
    expect(defaultProcesses((name) => `${host[name as keyof typeof host]}\n`)).toBe(is);
  });
});
