import { FakeWorld, fake } from "@pileus/core/testing";
import { expect, it } from "vitest";

it("plans a change of the fake driver key by key, as real drivers do", () => {
  const driver = fake({ world: new FakeWorld() });
  const backend = driver.open({ folder: "/nowhere", hostId: "abcdefghij" });
  const config = {
    name: "a",
    driver: "fake",
    image: "i",
    limits: { cpu: { limit: 1 } },
    devices: {},
    env: {},
    labels: {},
  };
  const before = { ...config, fake: { stubborn: false } };
  const after = { ...before, image: "j", labels: { a: "b" }, limits: { cpu: { limit: 2 } }, fake: { stubborn: true } };
  expect(backend.plan(before, before)).toEqual({ changes: [] });
  expect(backend.plan(before, after).changes.map(({ path, effect }) => [path, effect])).toEqual([
    ["image", "unsupported"],
    ["limits.cpu", "live"],
    ["labels", "live"],
    ["fake.stubborn", "next-start"],
  ]);
});
