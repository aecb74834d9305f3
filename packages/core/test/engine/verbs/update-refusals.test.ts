import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot } from "../scripted.ts";

const LABELS = { path: "labels", effect: "live" } as const;
const ABSENT = { path: "limits.cpu", effect: "unsupported", reason: "this host has no such controller" } as const;

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const record = () => readFile(`${place.folder("a")}/instance.json`, "utf8");

/** An instance whose driver refuses a limit of processors in whatever it plans. */
async function refusing() {
  const host = await place.open();
  const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
  place.scripted.script.plan = () => ({ changes: [ABSENT, LABELS] });
  return instance;
}

describe("an update with what its driver cannot do", () => {
  it("is refused under its key, and records nothing", async () => {
    const instance = await refusing();
    const before = await record();
    const change = { labels: { a: "1" }, limits: { cpu: 1 } };
    expect(await instance.plan(change)).toEqual({ changes: [ABSENT, LABELS] });
    await expect(instance.update(change)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["limits", "cpu"], message: ABSENT.reason }],
    });
    expect(await record()).toBe(before);
  });

  it("is refused for a variable whose name has dots", async () => {
    const instance = await refusing();
    const refused = { path: "env.my.var", effect: "unsupported", reason: "it has a line break" } as const;
    place.scripted.script.plan = () => ({ changes: [refused] });
    const before = await record();
    await expect(instance.update({ env: { "my.var": "a\nb" } })).rejects.toMatchObject({
      issues: [{ path: ["env", "my.var"], message: refused.reason }],
    });
    expect(await record()).toBe(before);
    const host = await place.open();
    await expect(host.create({ driver: "scripted", name: "b", image: "base" })).rejects.toMatchObject({
      issues: [{ path: ["env", "my.var"], message: refused.reason }],
    });
  });

  it("fails, and changes nothing, when the driver calls live what its runs cannot change", async () => {
    const instance = await refusing();
    await instance.start();
    place.scripted.script.plan = () => ({ changes: [{ path: "limits.cpu", effect: "live" }] });
    await expect(instance.update({ limits: { cpu: 1 } })).rejects.toMatchObject({ code: "ERR_DRIVER", step: "update" });
    expect((await instance.inspect()).config.limits).toEqual({});
  });

  it("is not refused for what it leaves as it is", async () => {
    const instance = await refusing();
    expect(await instance.update({ labels: { a: "1" } })).toEqual({ changes: [LABELS] });
    expect((await instance.inspect()).config.labels).toEqual({ a: "1" });
  });
});

describe("a change of what is fixed", () => {
  const fixed = "it is fixed when the instance is created";
  it.each([
    ["name", "b", "rename() changes the name"],
    ["driver", "other", fixed],
    ["image", "other", fixed],
  ])("of %s is planned as unsupported, and refused by an update", async (key, value, reason) => {
    const instance = await refusing();
    place.scripted.script.plan = () => ({ changes: [] });
    const change = { [key]: value };
    expect(await instance.plan(change)).toEqual({ changes: [{ path: key, effect: "unsupported", reason }] });
    await expect(instance.update(change)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: [key], message: reason }],
    });
    const { config } = await instance.inspect();
    expect(await instance.update({ [key]: config[key] })).toEqual({ changes: [] });
  });

  it("is refused if it could not be created either", async () => {
    const instance = await refusing();
    await expect(instance.plan({ name: "-" } as never)).rejects.toMatchObject({ issues: [{ path: ["name"] }] });
    await expect(instance.plan({ nmae: "b" } as never)).rejects.toMatchObject({ issues: [{ path: ["nmae"] }] });
  });
});
