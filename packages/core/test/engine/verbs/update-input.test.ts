import { describe, expect, it } from "vitest";
import { MIB, updating } from "./updating.ts";

const { started, recordOf } = updating();

describe("a change of the configuration", () => {
  it("takes the log back to what it was before it was changed", async () => {
    const box = await started();
    const { config } = await box.inspect();
    await box.update({ log: { maxFiles: 2 } });
    await box.update({ log: { maxFiles: null } });
    expect((await box.inspect()).config).toEqual(config);
    expect((await box.inspect()).applied).toBeUndefined();
  });

  it("leaves room in the record, whatever the run does later", async () => {
    const box = await started();
    const labels = (size: number) => ({
      labels: Object.fromEntries(
        Array.from({ length: Math.floor(size / 4120) }, (_, n) => [`l${n}`, "x".repeat(4096)]),
      ),
    });
    const most = 16 * MIB - 64 * 1024;
    for (const call of [box.plan, box.update])
      await expect(call.call(box, labels(16 * MIB))).rejects.toThrow(/more than the limit/);
    await box.update(labels(most));
    await box.restart();
    await box.delete();
  }, 60_000);

  it.each([
    ["a map", new Map([["labels", {}]])],
    ["a promise", Promise.resolve({ labels: {} })],
    ["a date", new Date(0)],
    ["labels in a map", { labels: new Map([["a", "1"]]) }],
    ["limits in a map", { limits: new Map([["memory", "1GiB"]]) }],
    ["variables of a URL", { env: new URLSearchParams("a=1") }],
    ["a name that no object keeps", JSON.parse('{ "__proto__": { "labels": {} } }')],
    ["a label that no object keeps", JSON.parse('{ "labels": { "__proto__": "1" } }')],
  ])("refuses %s, of which it would see nothing", async (_, change) => {
    const box = await started();
    for (const call of [box.update, box.plan])
      await expect(call.call(box, change as never)).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });

  it("checks the change first, and does not see what its caller does to it afterwards", async () => {
    const box = await started();
    const labels: Record<string, string> = { a: "1" };
    const updating = box.update({ labels });
    labels["a"] = "2";
    await updating;
    expect((await box.inspect()).config.labels).toEqual({ a: "1" });
    await box.delete();
    await expect(box.update({ lables: {} } as never)).rejects.toMatchObject({ code: "ERR_CONFIG" });
    await expect(box.update({ labels: {} })).rejects.toMatchObject({ state: "deleted" });
  });

  it("takes keys of every name for what they are", async () => {
    const box = await started();
    const evil = JSON.parse('{ "__proto__": null, "constructor": null, "a": "1" }');
    await expect(box.update({ labels: evil })).rejects.toMatchObject({ code: "ERR_CONFIG" });
    await box.update({ labels: JSON.parse('{ "constructor": null, "toString": null, "a": "1" }') });
    expect((await box.inspect()).config.labels).toEqual({ a: "1" });
    expect(await box.update({ labels: { a: "1" }, log: { maxSize: null } })).toEqual({ changes: [] });
    expect((await box.inspect()).config.log).toBeUndefined();
  });

  it("removes a variable that is null, and keeps what is undefined", async () => {
    const box = await started();
    await box.update({ env: { A: "1", B: "2" } });
    await box.update({ env: { A: null, B: undefined }, limits: { memory: undefined, cpu: 1 } });
    expect((await box.inspect()).config).toMatchObject({
      env: { B: "2" },
      limits: { cpu: { limit: 1 }, memory: { limit: 32 * MIB } },
    });
    expect((await box.inspect()).config.env).not.toHaveProperty("A");
  });

  it.each(["labels", "env", "limits"])("refuses a list as %s", async (key) => {
    const box = await started();
    await expect(box.update({ [key]: [] })).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: [key] }] });
  });

  it("refuses variables that no program could be given", async () => {
    const box = await started();
    const env = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`A${index}`, "x".repeat(120_000)]));
    await expect(box.update({ env })).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: ["env"] }] });
    expect((await box.inspect()).config.env).toEqual({});
  });

  it("that changes nothing records nothing", async () => {
    const box = await started();
    const before = await recordOf("box");
    expect(await box.update({ limits: { memory: 32 * MIB } })).toEqual({ changes: [] });
    expect(await recordOf("box")).toEqual(before);
  });
});
