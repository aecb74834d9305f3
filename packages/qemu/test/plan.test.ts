import { CommonConfigSchema, type InstanceConfig } from "@pileus/core";
import { expect, it } from "vitest";
import { plan } from "../src/plan.ts";
import { QemuSectionSchema } from "../src/section.ts";

function config(changes: { readonly [key: string]: unknown } = {}): InstanceConfig {
  const { qemu, ...common } = changes;
  const base = { name: "vm", driver: "qemu", image: "debian" };
  return { ...CommonConfigSchema.parse({ ...base, ...common }), qemu: QemuSectionSchema.parse(qemu) };
}

it("finds nothing to say of a config that can work", () => {
  expect(plan(undefined, config({ limits: { cpu: 2, memory: "256MiB" } }))).toEqual({ changes: [] });
});

it("refuses what a virtual machine can never have, each with its reason", () => {
  const { changes } = plan(undefined, config({ limits: { cpu: 0.5, memory: "64MiB", processes: 10 } }));
  expect(changes.map((change) => [change.path, change.effect])).toEqual([
    ["limits.cpu", "unsupported"],
    ["limits.memory", "unsupported"],
    ["limits.processes", "unsupported"],
  ]);
  expect(changes.every((change) => change.reason !== undefined)).toBe(true);
});

it("says of each changed key whether it is live, comes with the next start, or cannot change", () => {
  const after = config({
    limits: { cpu: 2 },
    labels: { a: "b" },
    devices: { eth0: { type: "nic", network: "net0" } },
    qemu: { machine: "microvm", rootSize: "8GiB" },
  });
  const effects = Object.fromEntries(plan(config(), after).changes.map(({ path, effect }) => [path, effect]));
  expect(effects).toEqual({
    labels: "live",
    devices: "next-start",
    "limits.cpu": "next-start",
    "qemu.machine": "next-start",
    "qemu.rootSize": "unsupported",
  });
});

it("fills in the section's defaults where it is left out, and refuses unknown keys", () => {
  expect(QemuSectionSchema.parse(undefined)).toEqual({ machine: "q35", rootSize: 4 * 2 ** 30 });
  expect(QemuSectionSchema.safeParse({ machin: "q35" }).success).toBe(false);
  expect(QemuSectionSchema.safeParse({ cpuModel: "max -device x" }).success).toBe(false);
});
