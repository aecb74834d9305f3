import type { InstanceConfig } from "@pileus/core";
import { renderPlan } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";

const rules = {
  section: "demo",
  effects: { labels: "live", "limits.cpu": "next-start", "demo.init": "next-start" },
  refused: [],
} as const;
const config = (more: object): InstanceConfig => ({
  name: "a",
  driver: "demo",
  image: "i",
  limits: {},
  devices: {},
  env: {},
  labels: {},
  ...more,
});

describe("renderPlan", () => {
  it("says at create only what can never work", () => {
    const refused = [{ path: ["limits", "cpu"], message: "no cgroup" }];
    expect(renderPlan(undefined, config({ limits: { cpu: 1 } }), { ...rules, refused })).toEqual({
      changes: [{ path: "limits.cpu", effect: "unsupported", reason: "no cgroup" }],
    });
  });

  it("names each key that differs with its effect, added and removed ones too", () => {
    const before = config({ limits: { cpu: 1 }, labels: { a: "1" } });
    const after = config({ labels: { a: "2" }, demo: { init: ["/bin/init"] } });
    expect(renderPlan(before, after, rules).changes).toEqual([
      { path: "limits.cpu", effect: "next-start" },
      { path: "labels", effect: "live" },
      { path: "demo.init", effect: "next-start" },
    ]);
  });

  it("says why a change waits that another value would not", () => {
    const effects = { ...rules.effects, "limits.cpu": { waits: "at most two" } };
    const { changes } = renderPlan(config({}), config({ limits: { cpu: 3 } }), { ...rules, effects });
    expect(changes).toEqual([{ path: "limits.cpu", effect: "next-start", reason: "at most two" }]);
  });

  it("has a section that is absent on one side", () => {
    const { changes } = renderPlan(config({ demo: undefined }), config({ demo: { init: [] } }), rules);
    expect(changes).toEqual([{ path: "demo.init", effect: "next-start" }]);
  });

  it("refuses what no table names", () => {
    expect(renderPlan(config({}), config({ image: "j" }), rules).changes).toEqual([
      { path: "image", effect: "unsupported", reason: "it is fixed when the instance is created" },
    ]);
  });

  describe("of devices", () => {
    const DISK = { type: "disk", source: "/srv", path: "/srv" };
    const NIC = { type: "nic", network: "net0" };
    const withDevices = {
      ...rules,
      devices: { disk: "live", gpu: { refused: "no gpu here" }, nic: "next-start" },
    } as const;
    const planOf = (before: object | undefined, after: object) =>
      renderPlan(before && config({ devices: before }), config({ devices: after }), withDevices).changes;

    it("names each that comes or goes, and each changed option of the others", () => {
      const more = { ...DISK, path: "/other", readonly: true };
      expect(planOf({ same: DISK, gone: NIC, old: DISK }, { same: DISK, old: more, fresh: DISK })).toEqual([
        { path: "devices.gone", effect: "next-start" },
        { path: "devices.old.path", effect: "live" },
        { path: "devices.old.readonly", effect: "live" },
        { path: "devices.fresh", effect: "live" },
      ]);
    });

    it("goes by what decides more where one takes the name of another type", () => {
      expect(planOf({ a: NIC }, { a: DISK })).toEqual([{ path: "devices.a", effect: "next-start" }]);
      expect(planOf({ a: DISK }, { a: NIC })).toEqual([{ path: "devices.a", effect: "next-start" }]);
    });

    it("asks what a device was and is, if the driver wants to know", () => {
      const devices = { disk: (_: unknown, now?: object) => (now === undefined ? "live" : "next-start") } as const;
      const changes = (before: object, after: object) =>
        renderPlan(config({ devices: before }), config({ devices: after }), { ...rules, devices }).changes;
      expect(changes({ a: DISK }, {})).toEqual([{ path: "devices.a", effect: "live" }]);
      expect(changes({ a: DISK }, { a: { ...DISK, readonly: true } })).toEqual([
        { path: "devices.a.readonly", effect: "next-start" },
      ]);
    });

    it("refuses types that the driver has not, at create and later, and lets them go", () => {
      const refused = { path: "devices.a", effect: "unsupported", reason: "no gpu here" };
      expect(planOf(undefined, { a: { type: "gpu" } })).toEqual([refused]);
      expect(planOf({}, { a: { type: "gpu" } })).toEqual([refused]);
      expect(planOf(undefined, { a: { type: "usb" } })[0]?.reason).toContain('no devices of the type "usb"');
      expect(planOf({ a: { type: "gpu" } }, {})).toEqual([]);
    });

    it("lets a driver without rules have the nics of its creation", () => {
      const changes = (before: object, after: object) =>
        renderPlan(config({ devices: before }), config({ devices: after }), rules).changes;
      expect(changes({ a: NIC }, { a: NIC })).toEqual([]);
      expect(changes({}, { a: NIC })).toMatchObject([{ path: "devices.a", effect: "unsupported" }]);
      expect(changes({}, { a: DISK })).toMatchObject([{ path: "devices.a", effect: "unsupported" }]);
    });
  });
});
