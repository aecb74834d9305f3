import { expect, it } from "vitest";
import { missingCgroupAccess } from "../src/host-facts.ts";
import { LEGACY_FACTS, UNIFIED_FACTS } from "./support/spec.ts";

it.each([
  ["one hierarchy", UNIFIED_FACTS, "/sys/fs/cgroup"],
  ["several", LEGACY_FACTS, "/sys/fs/cgroup/pids, /sys/fs/cgroup/devices, /sys/fs/cgroup/freezer"],
])("names the cgroups that a container needs and cannot have: %s", (_, { cgroups }, paths) => {
  expect(missingCgroupAccess(cgroups, () => true)).toEqual([]);
  expect(missingCgroupAccess(cgroups, () => false)).toMatchObject([
    { need: "cgroup", reason: `they cannot be written: ${paths}` },
  ]);
});
