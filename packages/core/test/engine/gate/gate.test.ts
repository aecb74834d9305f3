import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AnyDriver } from "../../../src/contract/backend.ts";
import type { Capability } from "../../../src/contract/capability.ts";
import type { InstanceFiles } from "../../../src/contract/files.ts";
import type { Host } from "../../../src/contract/host.ts";
import type { Images } from "../../../src/contract/images.ts";
import type { Instance } from "../../../src/contract/instance.ts";
import type { Networks } from "../../../src/contract/networks.ts";
import { acquireLock } from "../../../src/system/lock.ts";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const DISPOSED = { code: "ERR_CONNECTION", message: expect.stringContaining("disposed") };

async function running() {
  const host = await place.open();
  const instance = await host.create(CONFIG);
  await instance.start();
  return { host, instance };
}

/** Settles as `promise` does; fails when that takes two seconds. */
function soon<T>(promise: Promise<T>): Promise<T> {
  const late = setTimeout(2000, undefined, { ref: false }).then(() => Promise.reject(new Error("it is still waiting")));
  return Promise.race([promise, late]);
}

type Opened = Awaited<ReturnType<typeof running>>;
// Each member of the interface, or this does not compile.
type Call =
  | Exclude<keyof Host<AnyDriver>, "root" | "images" | "networks" | "watch" | symbol>
  | "host.watch"
  | Exclude<keyof Instance<Capability>, "name" | "files" | symbol>
  | `images.${keyof Images}`
  | `networks.${keyof Networks}`
  | `files.${keyof InstanceFiles}`;
const CALLS: Readonly<Record<Call, (opened: Opened) => unknown>> = {
  create: ({ host }) => host.create({ ...CONFIG, name: "b" }),
  ephemeral: ({ host }) => host.ephemeral({ ...CONFIG, name: "b" }),
  get: ({ host }) => host.get("a"),
  list: ({ host }) => host.list(),
  sweep: ({ host }) => host.sweep(),
  doctor: ({ host }) => host.doctor(),
  "images.get": ({ host }) => host.images.get("base"),
  "images.import": ({ host }) => host.images.import("x"),
  "images.list": ({ host }) => host.images.list(),
  "images.delete": ({ host }) => host.images.delete("base"),
  "networks.create": ({ host }) => host.networks.create({ name: "n" }),
  "networks.get": ({ host }) => host.networks.get("net0"),
  "networks.list": ({ host }) => host.networks.list(),
  "networks.delete": ({ host }) => host.networks.delete("net0"),
  "host.watch": ({ host }) => host.watch(),
  can: ({ instance }) => instance.can("exec"),
  events: ({ instance }) => instance.events,
  watch: ({ instance }) => instance.watch(),
  state: ({ instance }) => instance.state(),
  inspect: ({ instance }) => instance.inspect(),
  start: ({ instance }) => instance.start(),
  ready: ({ instance }) => instance.ready(),
  stop: ({ instance }) => instance.stop(),
  restart: ({ instance }) => instance.restart(),
  wait: ({ instance }) => instance.wait(),
  rename: ({ instance }) => instance.rename("b"),
  plan: ({ instance }) => instance.plan({ labels: { a: "1" } }),
  update: ({ instance }) => instance.update({ labels: { a: "1" } }),
  attachDevice: ({ instance }) => instance.attachDevice("d", { type: "disk", source: "/srv", path: "/d" }),
  detachDevice: ({ instance }) => instance.detachDevice("d"),
  delete: ({ instance }) => instance.delete(),
  exec: ({ instance }) => instance.exec(["true"]),
  run: ({ instance }) => instance.run(["true"]),
  freeze: ({ instance }) => instance.freeze(),
  unfreeze: ({ instance }) => instance.unfreeze(),
  addresses: ({ instance }) => instance.addresses(),
  metrics: ({ instance }) => instance.metrics(),
  reboot: ({ instance }) => instance.reboot(),
  processes: ({ instance }) => instance.processes(),
  attach: ({ instance }) => instance.attach("0123456789abcdef"),
  console: ({ instance }) => instance.console(),
  logs: ({ instance }) => instance.logs({ stream: "console" }),
  "files.read": ({ instance }) => instance.files.read("/x"),
  "files.readAll": ({ instance }) => instance.files.readAll("/x"),
  "files.write": ({ instance }) => instance.files.write("/x", ""),
  "files.stat": ({ instance }) => instance.files.stat("/x"),
  "files.readText": ({ instance }) => instance.files.readText("/x"),
  "files.writeText": ({ instance }) => instance.files.writeText("/x", ""),
  "files.exists": ({ instance }) => instance.files.exists("/x"),
  "files.list": ({ instance }) => instance.files.list("/x"),
  "files.listAll": ({ instance }) => instance.files.listAll("/x"),
  "files.mkdir": ({ instance }) => instance.files.mkdir("/x"),
  "files.remove": ({ instance }) => instance.files.remove("/x"),
  "files.push": ({ instance }) => instance.files.push("/x", "/x"),
  "files.pull": ({ instance }) => instance.files.pull("/x", "/x"),
};

describe("a disposed host", () => {
  it("refuses every call on itself, its instances, their files, its images and its networks", async () => {
    const opened = await running();
    await opened.host[Symbol.asyncDispose]();
    const calls = [...place.scripted.calls];
    for (const [name, call] of Object.entries(CALLS))
      await expect((async () => call(opened))(), name).rejects.toMatchObject(DISPOSED);
    expect(place.scripted.calls).toEqual(calls);
  });

  it("no longer deletes ephemeral instances: disposing one rejects, and it keeps running", async () => {
    const host = await place.open();
    const temporary = await host.ephemeral(CONFIG);
    const deleted = await host.ephemeral({ ...CONFIG, name: "b" });
    await deleted[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await expect(temporary[Symbol.asyncDispose]()).rejects.toMatchObject(DISPOSED);
    await deleted[Symbol.asyncDispose]();
    expect(place.scripted.runs.size).toBe(1);
  });

  it("ends the calls under way at once, whatever their driver does, and waits for what they still do", async () => {
    const { host, instance } = await running();
    const [listing, freezing] = [gate(), gate()];
    place.scripted.script.files = { list: () => listing.pass().then(() => Readable.from([])) };
    place.scripted.script.freeze = freezing.pass;
    const underWay = [instance.wait(), instance.run(["sleep"]), instance.files.listAll("/"), instance.freeze()];
    const ended = underWay.map((call) => expect(call).rejects.toMatchObject(DISPOSED));
    await Promise.all([listing.arrived, freezing.arrived]);
    let disposed = false;
    const disposing = host[Symbol.asyncDispose]().then(() => {
      disposed = true;
    });
    await Promise.all(ended);
    expect(disposed).toBe(false);
    listing.open();
    freezing.open();
    await disposing;
  });
});

describe("an abort", () => {
  it("rejects soon with its reason while the clean-up hangs; the clean-up goes on, and disposing the host waits for it", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const [launching, releasing] = [gate(), gate()];
    place.scripted.script.launch = launching.pass;
    place.scripted.script.kill = releasing.pass;
    const controller = new AbortController();
    const starting = instance.start({ signal: controller.signal });
    await launching.arrived;
    controller.abort("enough");
    launching.open();
    await expect(soon(starting)).rejects.toBe("enough");
    await releasing.arrived;
    const looking = new AbortController();
    const metrics = instance.metrics({ signal: looking.signal });
    looking.abort("no time");
    await expect(soon(metrics)).rejects.toBe("no time");
    const disposing = host[Symbol.asyncDispose]();
    releasing.open();
    await disposing;
    expect(place.scripted.runs.size).toBe(0);
    expect(await (await place.open()).list()).toMatchObject([{ state: "stopped" }]);
  });

  it("rejects with its reason even when the clean-up fails", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const launching = gate();
    place.scripted.script.launch = launching.pass;
    place.scripted.script.kill = () => Promise.reject(new Error("no descriptor left"));
    const controller = new AbortController();
    const starting = instance.start({ signal: controller.signal });
    await launching.arrived;
    controller.abort("enough");
    launching.open();
    await expect(starting).rejects.toBe("enough");
    place.scripted.script = {};
    expect(await instance.state()).toBe("stopped");
    expect(place.scripted.runs.size).toBe(0);
  });

  it("by something that is not an AbortSignal is refused", async () => {
    const { instance } = await running();
    const wrong = { signal: "now" } as never;
    await expect(instance.freeze(wrong)).rejects.toMatchObject({ code: "ERR_CONFIG" });
  });
});

describe("a lock that another process does not release", () => {
  it("delays no call beyond its deadline, and no opening of a host", async () => {
    const { instance } = await running();
    const lock = await acquireLock(place.lock("a"));
    const other = await soon(place.open());
    const theirs = await other.get("a");
    const late = { code: "ERR_TIMEOUT" };
    await expect(soon(theirs.ready({ timeout: 20 }))).rejects.toMatchObject(late);
    await expect(soon(instance.stop({ timeout: 20 }))).rejects.toMatchObject(late);
    await expect(soon(instance.stop({ mode: "ask-then-kill", timeout: 20 }))).rejects.toMatchObject(late);
    for (const verb of ["start", "freeze", "unfreeze", "stop", "delete", "wait", "state"] as const) {
      const controller = new AbortController();
      const call = theirs[verb as "start"]({ signal: controller.signal });
      controller.abort(verb);
      await expect(soon(call), verb).rejects.toBe(verb);
    }
    await lock.release();
    await expect(theirs.state()).rejects.toMatchObject({ state: "deleted" });
  });
});
