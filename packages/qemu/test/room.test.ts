import { CommonConfigSchema, type InstanceConfig } from "@pileus/core";
import { expect, it } from "vitest";
import { growthRegion, planRoom, roomOf } from "../src/room.ts";
import { QemuSectionSchema } from "../src/section.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

function config(limits: object, qemu: object = {}): InstanceConfig {
  const common = CommonConfigSchema.parse({ name: "vm", driver: "qemu", image: "debian", limits });
  return { ...common, qemu: QemuSectionSchema.parse(qemu) };
}

const roomFor = (limits: object, qemu?: object) =>
  planRoom(config(limits, qemu), { hasAgent: true, hostMemory: 8 * GIB });

it("lets a q35 grow to four times its memory, but not beyond the host's, and to four processors", () => {
  expect(roomFor({})).toEqual({ memory: { base: 512 * MIB, max: 2 * GIB }, cpus: { max: 4 } });
  expect(roomFor({ memory: "6GiB", cpu: 3 })).toEqual({ memory: { base: 6 * GIB, max: 8 * GIB }, cpus: { max: 4 } });
  expect(roomFor({ memory: "8GiB", cpu: 8 })).toEqual({});
});

it("lets it grow as far as its configuration says", () => {
  const most = { maxMemory: "64GiB", maxCpus: 32 };
  expect(roomFor({ memory: "1GiB" }, most)).toEqual({ memory: { base: GIB, max: 64 * GIB }, cpus: { max: 32 } });
  expect(roomFor({ memory: "1GiB" }, { maxMemory: "1GiB", maxCpus: 1 })).toEqual({});
});

it("grows in whole blocks from a whole mebibyte on", () => {
  const { memory } = roomFor({ memory: 200 * MIB + 1 }, { maxMemory: 300 * MIB + 1 });
  expect(memory).toEqual({ base: 201 * MIB, max: 299 * MIB });
});

it("lets no machine grow whose guest may not take it", () => {
  expect(roomFor({}, { machine: "microvm" })).toEqual({});
  expect(planRoom(config({}), { hasAgent: false, hostMemory: 8 * GIB })).toEqual({});
});

it("has a device of whole blocks of the guest's kernel", () => {
  expect(growthRegion({})).toBe(0);
  expect(growthRegion({ memory: { base: 192 * MIB, max: 768 * MIB } })).toBe(640 * MIB);
  expect(growthRegion({ memory: { base: 64 * GIB, max: 65 * GIB } })).toBe(2 * GIB);
});

it("knows what it kept of a launch, and that earlier releases kept nothing", () => {
  const room = roomFor({});
  expect(roomOf(JSON.parse(JSON.stringify(room)))).toEqual(room);
  expect(roomOf(undefined)).toBeUndefined();
  expect(roomOf({ memory: "much" })).toBeUndefined();
});
