import { CommonConfigSchema, type InstanceConfig } from "@pileus/core";
import { expect, it } from "vitest";
import { parseMeminfo } from "../src/host-memory.ts";
import { plan } from "../src/plan.ts";
import { QemuSectionSchema } from "../src/section.ts";

const HOST_MEMORY = 8 * 2 ** 30;

function config(changes: { readonly [key: string]: unknown } = {}): InstanceConfig {
  const { qemu, ...common } = changes;
  const base = { name: "vm", driver: "qemu", image: "debian" };
  return { ...CommonConfigSchema.parse({ ...base, ...common }), qemu: QemuSectionSchema.parse(qemu) };
}

it("accepts a config that can work", () => {
  expect(plan(undefined, config({ limits: { cpu: 2, memory: "256MiB" } }), HOST_MEMORY)).toEqual({ changes: [] });
});

it("refuses each setting that a virtual machine can never have, with its reason", () => {
  const { changes } = plan(
    undefined,
    config({
      limits: {
        cpu: { limit: 0.5, set: "0", priority: 5 },
        memory: { limit: "64MiB", swap: 0, soft: 1 },
        processes: 10,
      },
    }),
    HOST_MEMORY,
  );
  expect(changes.map((change) => [change.path, change.effect])).toEqual([
    ["limits.cpu", "unsupported"],
    ["limits.cpu.set", "unsupported"],
    ["limits.cpu.priority", "unsupported"],
    ["limits.memory", "unsupported"],
    ["limits.memory.swap", "unsupported"],
    ["limits.memory.soft", "unsupported"],
    ["limits.processes", "unsupported"],
  ]);
  expect(changes.every((change) => change.reason !== undefined)).toBe(true);
});

it("refuses more processors than a machine can have and more memory than the host has, but not exactly as much", () => {
  const refused = (limits: Record<string, unknown>) =>
    plan(undefined, config({ limits }), HOST_MEMORY).changes.map(({ path, reason }) => `${path}: ${reason}`);
  expect(refused({ cpu: 255, memory: "8GiB" })).toEqual([]);
  expect(refused({ cpu: 256, memory: "900TiB" })).toEqual([
    "limits.cpu: a virtual machine has at most 255 processors",
    "limits.memory: this host has 8.0GiB, including its swap space",
  ]);
  expect(refused({ memory: HOST_MEMORY + 1 })).toHaveLength(1);
  expect(refused({ cpu: 4095.5 })).toHaveLength(1);
});

it("counts the memory and the swap space of the host", () => {
  const meminfo = "MemTotal:       24684096 kB\nMemFree:        22422956 kB\nSwapTotal:       1048576 kB\n";
  expect(parseMeminfo(meminfo)).toBe((24684096 + 1048576) * 1024);
});

it("has slots to plug devices into on a q35 only", () => {
  const refused = (qemu: Record<string, unknown>) =>
    plan(undefined, config({ qemu }), HOST_MEMORY).changes.map(({ path, reason }) => `${path}: ${reason}`);
  expect(refused({ machine: "microvm", slots: 1 })).toEqual([
    "qemu.slots: a microvm has no PCI to plug devices into: use q35",
  ]);
  for (const qemu of [{ slots: 32 }, { machine: "microvm" }, { machine: "microvm", slots: 0 }])
    expect(refused(qemu)).toEqual([]);
  expect(QemuSectionSchema.safeParse({ slots: 33 }).success).toBe(false);
});

const room = { memory: { base: 2 ** 28, max: 2 ** 30 }, cpus: { max: 4 } };

it.each([
  [{ memory: "1GiB", cpu: 4 }, {}, { "limits.memory": "live", "limits.cpu": "live" }],
  [{ memory: "256MiB", cpu: 3 }, {}, { "limits.memory": "live", "limits.cpu": "live" }],
  [
    { memory: "1025MiB", cpu: 5 },
    {},
    { "limits.memory": /at most 1024MiB: qemu.maxMemory/, "limits.cpu": /at most 4 processors: qemu.maxCpus/ },
  ],
  [{ memory: "255MiB", cpu: 1 }, {}, { "limits.memory": /keeps the 256MiB/, "limits.cpu": /cannot safely take/ }],
  [{ memory: "1GiB", cpu: 3 }, { remembered: {} }, { "limits.memory": /a q35 can/, "limits.cpu": /a q35 can/ }],
  [{ memory: "1GiB", cpu: 3 }, { remembered: undefined }, { "limits.memory": /a q35 can/, "limits.cpu": /a q35 can/ }],
])("plans the size %j of what runs by what it was launched with", (limits, run, expected) => {
  const before = config({ limits: { memory: "512MiB", cpu: 8 } });
  const has = config({ limits: { memory: "512MiB", cpu: 2 } });
  const { changes } = plan(before, config({ limits }), HOST_MEMORY, { config: has, remembered: room, ...run });
  expect(Object.fromEntries(changes.map(({ path, effect, reason }) => [path, reason ?? effect]))).toEqual(
    Object.fromEntries(
      Object.entries(expected).map(([path, told]) => [
        path,
        told instanceof RegExp ? expect.stringMatching(told) : told,
      ]),
    ),
  );
  for (const { effect, reason } of changes) expect(effect).toBe(reason === undefined ? "live" : "next-start");
});

it("refuses what would make a microvm grow", () => {
  const { changes } = plan(
    undefined,
    config({ qemu: { machine: "microvm", maxMemory: "1GiB", maxCpus: 2 } }),
    HOST_MEMORY,
  );
  expect(changes.map(({ path, effect }) => `${path} ${effect}`)).toEqual([
    "qemu.maxMemory unsupported",
    "qemu.maxCpus unsupported",
  ]);
});

it("tells for each changed key whether it applies at once, applies at the next start, or cannot change", () => {
  const after = config({
    limits: { cpu: 2 },
    labels: { a: "b" },
    devices: { eth0: { type: "nic", network: "net0" } },
    qemu: { machine: "microvm", rootSize: "8GiB" },
  });
  const effects = Object.fromEntries(
    plan(config(), after, HOST_MEMORY).changes.map(({ path, effect }) => [path, effect]),
  );
  expect(effects).toEqual({
    labels: "live",
    "devices.eth0": "unsupported",
    "limits.cpu": "next-start",
    "qemu.machine": "next-start",
    "qemu.rootSize": "unsupported",
  });
});

it("fills in the defaults of a section that is left out, and refuses unknown keys", () => {
  expect(QemuSectionSchema.parse(undefined)).toEqual({ machine: "q35", rootSize: 4 * 2 ** 30, kernel: "managed" });
  expect(QemuSectionSchema.safeParse({ machin: "q35" }).success).toBe(false);
  expect(QemuSectionSchema.safeParse({ cpuModel: "max -device x" }).success).toBe(false);
});
