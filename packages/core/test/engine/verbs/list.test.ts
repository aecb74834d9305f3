import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", image: "base" } as const;

async function three() {
  const host = await place.open();
  await host.create({ ...CONFIG, name: "a", labels: { app: "web", tier: "front" } });
  await host.create({ ...CONFIG, name: "b", labels: { app: "web", tier: "back" } });
  await host.create({ ...CONFIG, name: "c" });
  return host;
}

describe("list", () => {
  it.each([
    [{}, ["a", "b", "c"]],
    [{ labels: {} }, ["a", "b", "c"]],
    [{ labels: { app: "web" } }, ["a", "b"]],
    [{ labels: { app: "web", tier: "back" } }, ["b"]],
    [{ labels: { app: "we" } }, []],
    [{ labels: { constructor: "x" } }, []],
    [{ kind: "system-container" }, ["a", "b", "c"]],
    [{ kind: "virtual-machine" }, []],
    [{ driver: "scripted", labels: { tier: "front" } }, ["a"]],
    [{ driver: "of another host" }, []],
  ] as const)("by %j", async (options, names) => {
    const host = await three();
    expect((await host.list(options)).map(({ name }) => name)).toEqual(names);
    expect((await host.list({ ...options, state: "live" })).map(({ name }) => name)).toEqual(names);
  });

  it.each([
    [{ labels: { app: 1 } }, ["labels", "app"]],
    [{ labels: JSON.parse('{"__proto__":"x"}') }, ["labels", "__proto__"]],
    [{ label: {} }, ["label"]],
    [{ kind: "vm" }, ["kind"]],
    [{ state: "running" }, ["state"]],
  ])("refuses %j", async (options, path) => {
    const host = await place.open();
    await expect(host.list(options as never)).rejects.toMatchObject({ name: "ConfigError", issues: [{ path }] });
  });

  it("shows live what ended while no process was attached, and what cannot be inspected", async () => {
    const blind = await three();
    const other = await place.open();
    for (const name of ["a", "b"]) await (await other.get(name)).start();
    await other[Symbol.asyncDispose]();
    place.scripted.run("a").end({ kind: "exited", code: 3 });
    place.scripted.script.adopt = ({ name }) => (name === "b" ? Promise.reject(new Error("no answer")) : undefined);
    const told = async (state?: "live" | "recorded") =>
      (await blind.list({ state })).map((info) => [info.name, info.state, info.error]);
    expect(await told()).toEqual([
      ["a", "running", undefined],
      ["b", "running", undefined],
      ["c", "stopped", undefined],
    ]);
    expect(await told("live")).toEqual([
      ["a", "stopped", undefined],
      ["b", "error", expect.stringContaining("no answer")],
      ["c", "stopped", undefined],
    ]);
  });

  it("rejects with the reason of an abort while a driver does not answer", async () => {
    const blind = await three();
    const other = await place.open();
    await (await other.get("a")).start();
    await other[Symbol.asyncDispose]();
    const looking = gate();
    place.scripted.script.adopt = looking.pass;
    const controller = new AbortController();
    const listing = blind.list({ state: "live", signal: controller.signal });
    await looking.arrived;
    controller.abort("enough");
    await expect(listing).rejects.toBe("enough");
    looking.open();
  });
});
