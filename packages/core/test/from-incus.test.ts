import { describe, expect, it } from "vitest";
import type { z } from "zod";
import type { Group } from "../../../scripts/from-incus/entry.ts";
import { INSTANCE_GROUPS, KERNEL_LIMITS } from "../../../scripts/from-incus/instance-keys.ts";
import { ONLY_HERE } from "../../../scripts/from-incus/only-here.ts";
import { ALL_DEVICE_GROUPS } from "../../../scripts/from-incus/render.ts";
import { LxcSectionSchema } from "../../lxc/src/section.ts";
import { OciSectionSchema } from "../../oci/src/section.ts";
import { QemuSectionSchema } from "../../qemu/src/section.ts";
import { CommonConfigSchema, DeviceSchema, DiskSchema, NetworkConfigSchema, NicSchema } from "../src/index.ts";
import { discriminatorsAt, keysAt } from "../src/model/schema-keys.ts";

// How many there are, by the metadata that a daemon of Incus 7.0.2 gives of itself.
const INSTANCE_COUNTS = {
  boot: 7,
  "cloud-init": 6,
  migration: 4,
  miscellaneous: 9,
  nvidia: 4,
  oci: 7,
  raw: 12,
  "resource-limits": 17,
  security: 48,
  snapshots: 5,
};
const DEVICE_COUNTS = {
  nic_bridged: 42,
  nic_macvlan: 12,
  nic_sriov: 13,
  nic_physical: 10,
  nic_p2p: 23,
  nic_routed: 38,
  nic_ipvlan: 14,
  nic_ovn: 35,
  disk: 29,
  "unix-char-block": 10,
  usb: 10,
  gpu_physical: 8,
  gpu_mdev: 4,
  gpu_mig: 7,
  gpu_sriov: 4,
  gpu_native_context: 5,
  infiniband: 7,
  proxy: 10,
  "unix-hotplug": 7,
  tpm: 2,
  pci: 2,
};

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  nic: NicSchema,
  disk: DiskSchema,
  network: NetworkConfigSchema,
  lxc: LxcSectionSchema,
  oci: OciSectionSchema,
  qemu: QemuSectionSchema,
};

type Path = readonly (string | number)[];

/** An object that has an object at the end of `path`. */
function objectWith(path: Path): object {
  const [key, ...rest] = path;
  if (key === undefined) return {};
  return typeof key === "number" ? [objectWith(rest)] : { [key]: objectWith(rest) };
}

/** The paths of all keys of a schema, at every depth, with no index of a list in them. */
function pathsIn(schema: z.ZodType, at: Path = []): readonly string[] {
  const isElement = at.at(-1) === 0;
  const keys = keysAt(schema, objectWith(at), at);
  if (keys.length === 0 && at.length > 0 && !isElement) return pathsIn(schema, [...at, 0]);
  return keys.flatMap((key) => {
    const path = [...at, key];
    return [path.filter((part) => part !== 0).join("."), ...pathsIn(schema, path)];
  });
}

const sections = Object.entries(SCHEMAS).flatMap(([name, schema]) => pathsIn(schema).map((path) => `${name}.${path}`));
const known = new Set([...pathsIn(CommonConfigSchema), ...sections]);
const isWithin = (path: string, parent: string) => path === parent || path.startsWith(`${parent}.`);

const groups = [...INSTANCE_GROUPS, KERNEL_LIMITS, ...ALL_DEVICE_GROUPS];
const named = groups.flatMap(({ entries }) => entries.flatMap((entry) => ("here" in entry ? entry.here : [])));
const alone = Object.keys(ONLY_HERE);

function countsOf(all: readonly Group[]): Readonly<Record<string, number>> {
  return Object.fromEntries(all.map(({ name, entries }) => [name, entries.flatMap(({ options }) => options).length]));
}

describe("the table of Incus's options", () => {
  it("has every key of instances, and every option of devices", () => {
    expect(countsOf(INSTANCE_GROUPS)).toEqual(INSTANCE_COUNTS);
    expect(countsOf([KERNEL_LIMITS])).toEqual({ "limits.kernel.*": 12 });
    expect(countsOf(ALL_DEVICE_GROUPS)).toEqual(DEVICE_COUNTS);
    const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b);
    expect([sum(INSTANCE_COUNTS), sum(DEVICE_COUNTS)]).toEqual([119, 292]);
  });

  it.each(groups)("has each option of $name once", ({ entries }) => {
    const options = entries.flatMap((entry) => entry.options);
    expect(options.filter((option, index) => options.indexOf(option) !== index)).toEqual([]);
  });

  it("names keys that exist", () => {
    expect([...named, ...alone].filter((path) => !known.has(path))).toEqual([]);
  });

  it("has a place for every key of a configuration", () => {
    // A device of another type has keys, too.
    expect(discriminatorsAt(DeviceSchema, {}, []).filter((type) => SCHEMAS[type] === undefined)).toEqual([]);
    const placed = [...named, ...alone];
    const parents = new Set([...known].map((path) => path.split(".").slice(0, -1).join(".")));
    const leaves = [...known].filter((path) => !parents.has(path) && !isWithin(path, "network"));
    expect(leaves.length).toBeGreaterThan(60);
    expect(leaves.filter((leaf) => !placed.some((path) => isWithin(leaf, path)))).toEqual([]);
  });

  it("says of no key both that Incus has an option for it and that it has none", () => {
    expect(named.filter((path) => alone.some((only) => isWithin(path, only) || isWithin(only, path)))).toEqual([]);
  });
});
