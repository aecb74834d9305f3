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

  it("has a section that is absent on one side", () => {
    const { changes } = renderPlan(config({ demo: undefined }), config({ demo: { init: [] } }), rules);
    expect(changes).toEqual([{ path: "demo.init", effect: "next-start" }]);
  });

  it("refuses what no table names", () => {
    expect(renderPlan(config({}), config({ image: "j" }), rules).changes).toEqual([
      { path: "image", effect: "unsupported", reason: "it is fixed when the instance is created" },
    ]);
  });
});
