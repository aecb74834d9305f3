import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError } from "../../../src/errors/all.ts";
import { FOREIGN, gate, IMAGE, scriptedRoot, untilAborted } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;

const OTHER = `images for ${IMAGE.architecture} here, but this image is for ${FOREIGN}`;

const MANY = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`V${index}`, "x".repeat(100_000)]));

async function nothingIsLeft() {
  expect(await readdir(`${place.root}/instances`)).toEqual([]);
  expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
  expect(place.reserved.size).toBe(0);
}

describe("create", () => {
  it("creates a stopped instance with its defaults filled in, and its own folders", async () => {
    const host = await place.open();
    const instance = await host.create({
      ...CONFIG,
      image: IMAGE,
      devices: { eth0: { type: "nic", network: "net0" } },
    });
    expect(await instance.inspect()).toMatchObject({
      name: "a",
      driver: "scripted",
      kind: "system-container",
      state: "stopped",
      image: IMAGE.fingerprint,
      config: { limits: {}, env: {}, scripted: { colour: "red" } },
    });
    for (const folder of ["", "/instances", "/names/a/", "/names/a/log"])
      expect((await stat(place.root + folder)).mode & 0o777).toBe(0o700);
    expect((await stat(`${place.root}/names/a/instance.json`)).mode & 0o777).toBe(0o600);
    expect(place.reserved).toEqual(new Set(["a"]));
    expect((await host.list()).map((info) => info.name)).toEqual(["a"]);
  });

  it.each([
    ["an unknown key", { ...CONFIG, limitz: {} }, ["limitz"], 'did you mean "limits"?'],
    ["a map", { ...CONFIG, limits: new Map([["cpu", 1]]) }, ["limits"], "must be a plain object"],
    ["a map within", { ...CONFIG, limits: { memory: new Map() } }, ["limits", "memory"], "must be a plain object"],
    ["a promise", { ...CONFIG, labels: Promise.resolve({}) }, ["labels"], "is a promise: await it"],
    ["a promise of all of it", Promise.resolve(CONFIG), [], "is a promise: await it"],
    [
      "a label that no object keeps",
      JSON.parse('{ "labels": { "__proto__": "1" } }'),
      ["labels", "__proto__"],
      "choose another",
    ],
    ["an unknown key within", { ...CONFIG, limits: { memroy: 1 } }, ["limits", "memroy"], 'did you mean "memory"?'],
    ["one in the driver's section", { ...CONFIG, scripted: { color: "red" } }, ["scripted", "color"], '"colour"'],
    ["one of a device", nic({ netwrok: "x", network: "net0" }), ["devices", "eth0", "netwrok"], '"network"'],
    ["an unknown type of device", nic({ type: "nix" }), ["devices", "eth0", "type"], 'must be "nic"'],
    ["an illegal name", { ...CONFIG, name: "A" }, ["name"], "1 to 63"],
    ["a name that leaves the folder", { ...CONFIG, name: "../x" }, ["name"], "1 to 63"],
    ["a number for the name of one with a nic", nic({ network: "net0" }, "42"), ["name"], "a number"],
    ["an alias of the loopback for one", nic({ network: "net0" }, "localhost"), ["name"], "/etc/hosts"],
    [
      "the loopback for a nic",
      { ...CONFIG, devices: { lo: { type: "nic", network: "net0" } } },
      ["devices", "lo"],
      '"lo" is the loopback interface',
    ],
    ["more variables than a program can get", { ...CONFIG, env: MANY }, ["env"], "E2BIG"],
    ["an unknown driver", { ...CONFIG, driver: "lxd" }, ["driver"], "scripted"],
    ["a size that is none", { ...CONFIG, limits: { memory: "many" } }, ["limits", "memory"], "is not a size"],
    ["an image of a kind that the driver cannot run", { ...CONFIG, image: "disk" }, ["image"], "of kind disk"],
    ["an image for other processors", { ...CONFIG, image: "foreign" }, ["image"], OTHER],
    ["the section of another driver", { ...CONFIG, lxc: {} }, ["lxc"], "unknown key"],
    ["what is not an object", "web", [], "must be an object, but is a string"],
  ])("refuses %s before anything is touched, saying where", async (_, config, path, words) => {
    const host = await place.open();
    const creating = host.create(config as never);
    await expect(creating).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path }] });
    await expect(creating).rejects.toThrow(words);
    expect(place.scripted.calls).toEqual([]);
    await nothingIsLeft();
  });

  it("reports every issue at once", async () => {
    const host = await place.open();
    await expect(host.create({ ...CONFIG, name: "-", limits: { cpu: -1 }, extra: 1 } as never)).rejects.toMatchObject({
      issues: [{ path: ["name"] }, { path: ["limits", "cpu"] }, { path: ["extra"] }],
    });
  });

  it("refuses what the driver's plan calls unsupported, with the reason", async () => {
    place.scripted.script.plan = () => ({
      changes: [
        { path: "limits.memory", effect: "unsupported", reason: "this host has no memory controller" },
        { path: "limits.cpu", effect: "next-start" },
      ],
    });
    const host = await place.open();
    await expect(host.create(CONFIG)).rejects.toMatchObject({
      issues: [{ path: ["limits", "memory"], message: "this host has no memory controller" }],
    });
    await nothingIsLeft();
  });

  it.each([
    ["image", "ERR_IMAGE_NOT_FOUND", { ...CONFIG, image: "ghost" }],
    ["network", "ERR_NETWORK_NOT_FOUND", nic({ network: "ghost" })],
  ])("refuses a missing %s", async (_kind, code, config) => {
    const host = await place.open();
    await expect(host.create(config as never)).rejects.toMatchObject({ code });
    await nothingIsLeft();
  });

  it("refuses a taken name, also one that another create is using", async () => {
    const host = await place.open();
    const outcomes = await Promise.allSettled([host.create(CONFIG), host.create(CONFIG), host.create(CONFIG)]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
    }
    expect(await host.list()).toHaveLength(1);
  });

  it("that fails in the driver leaves nothing, and the name free", async () => {
    const host = await place.open();
    const fault = new Error("disk full");
    place.scripted.script.materialize = () => Promise.reject(fault);
    const told = { code: "ERR_DRIVER", step: "materialize", cause: fault };
    await expect(host.create(nic({ network: "net0" }) as never)).rejects.toMatchObject(told);
    expect(place.scripted.calls).toEqual(["materialize a", "remove a"]);
    await nothingIsLeft();
    place.scripted.script = {};
    await host.create(CONFIG);
  });

  it("that meets a full disk in a file of the driver fails with the fix", async () => {
    const host = await place.open();
    const cause = new FileError({ verb: "write", path: "/etc/hosts", errno: "ENOSPC" });
    place.scripted.script.materialize = () => Promise.reject(cause);
    const refused = { code: "ERR_HOST", missing: [{ need: "disk-space" }], cause };
    await expect(host.create(CONFIG)).rejects.toMatchObject(refused);
  });

  it("whose undoing fails too reports both failures, the first one first", async () => {
    const host = await place.open();
    const fault = new Error("disk full");
    place.scripted.script.materialize = () => Promise.reject(fault);
    place.scripted.script.remove = () => Promise.reject(new Error("busy"));
    const failure = await host.create(CONFIG).catch((error) => error);
    expect(failure).toMatchObject({ cause: fault, cleanupFailures: [{ step: "remove", cause: { message: "busy" } }] });
  });

  it("aborted is undone and rejects with the reason itself", async () => {
    const host = await place.open();
    const controller = new AbortController();
    const busy = gate();
    place.scripted.script.materialize = ({ signal }) => {
      void busy.pass();
      return untilAborted(signal);
    };
    const creating = host.create(CONFIG, { signal: controller.signal });
    await busy.arrived;
    controller.abort("stop it");
    await expect(creating).rejects.toBe("stop it");
    await nothingIsLeft();
  });

  it("under way when the host is disposed is undone", async () => {
    const host = await place.open();
    const busy = gate();
    place.scripted.script.materialize = ({ signal }) => {
      void busy.pass();
      return untilAborted(signal);
    };
    const creating = host.create(CONFIG);
    await busy.arrived;
    const outcome = creating.catch((error: unknown) => error);
    await host[Symbol.asyncDispose]();
    expect(await outcome).toMatchObject({
      code: "ERR_CONNECTION",
      message: expect.stringContaining("before the call to create an instance had ended: is an await missing"),
    });
    await nothingIsLeft();
  });
});

describe("ephemeral", () => {
  it("starts, and deletes when its handle is disposed", async () => {
    const host = await place.open();
    const instance = await host.ephemeral(CONFIG);
    expect(await instance.state()).toBe("running");
    await instance[Symbol.asyncDispose]();
    await instance[Symbol.asyncDispose]();
    expect(place.scripted.runs.size).toBe(0);
    await nothingIsLeft();
  });

  it("that cannot start leaves nothing", async () => {
    const host = await place.open();
    place.scripted.script.launch = () => Promise.reject(new Error("no power"));
    await expect(host.ephemeral(CONFIG)).rejects.toThrow("no power");
    expect(existsSync(`${place.root}/names/a`)).toBe(false);
    await nothingIsLeft();
  });
});

function nic(device: Record<string, unknown>, name = "a") {
  return { ...CONFIG, name, devices: { eth0: { type: "nic", ...device } } };
}
