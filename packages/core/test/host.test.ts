import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Driver, isInstanceError, openHost } from "@pileus/core";
import type { ImageSourcePlugin } from "@pileus/core/driver";
import { fake, importFakeImage } from "@pileus/core/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FOREIGN, gate, untilAborted } from "./engine/scripted.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-host-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What a caller without types may write. */
const open = (options: unknown) => openHost(options as Parameters<typeof openHost>[0]);

describe("openHost refuses as ConfigError, before anything is touched,", () => {
  const drivers = [fake()];
  const root = () => join(folder, "root");
  const refusals: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["no options", () => undefined, /host options/],
    ["no root", () => ({ drivers }), /root: must be the path/],
    ["an empty root", () => ({ root: "", drivers }), /root: .*empty/],
    ["a root with a NUL", () => ({ root: `${root()}\0`, drivers }), /root: .*NUL/],
    ["no drivers", () => ({ root: root() }), /drivers: must be an array/],
    ["a misspelt key", () => ({ root: root(), driver: drivers }), /driver: unknown key; did you mean "drivers"/],
    ["one driver in the place of several", () => ({ root: root(), drivers: fake() }), /drivers: must be an array/],
    ["a value that is not a driver", () => ({ root: root(), drivers: [fake] }), /drivers\.0: is not a driver/],
    ["a signal that is none", () => ({ root: root(), drivers, signal: 5 }), /signal: must be an AbortSignal/],
  ];
  for (const [what, options, told] of refusals) {
    it(what, async () => {
      const error: unknown = await open(options()).catch((one: unknown) => one);
      expect(isInstanceError(error, "ERR_CONFIG")).toBe(true);
      expect(String(error)).toMatch(told);
      expect(await readdir(folder)).toEqual([]);
    });
  }
});

describe("openHost refuses a root, naming it,", () => {
  const roots: readonly (readonly [string, () => string | Promise<string>])[] = [
    ["that is a file", () => file("file")],
    ["below a file", async () => join(await file("file"), "root")],
    ["where the file system makes no folder", () => "/proc/pileus"],
    ["further below it", () => "/proc/pileus/a/b"],
    ["that is such a file system", () => "/proc"],
    ["with a name too long", () => join(folder, "x".repeat(300))],
    ["that is a symlink to nothing", () => link("nowhere")],
    ["that is a symlink to itself", () => link("link")],
  ];
  const file = async (name: string) => {
    await writeFile(join(folder, name), "");
    return join(folder, name);
  };
  const link = async (target: string) => {
    await symlink(target, join(folder, "link"));
    return join(folder, "link");
  };
  for (const [what, at] of roots) {
    it(what, async () => {
      const root = await at();
      const error: unknown = await open({ root, drivers: [] }).catch((one: unknown) => one);
      expect(isInstanceError(error, "ERR_CONFIG")).toBe(true);
      expect(String(error)).toContain(root);
    });
  }
});

it("openHost makes the parents of its root", async () => {
  const root = join(folder, "a", "b", "root");
  await using host = await openHost({ root, drivers: [fake()] });
  expect(host.root).toBe(root);
  expect(existsSync(join(root, "instances"))).toBe(true);
});

it("an image for other processors is accepted by a driver that declares them, as the one in memory does", async () => {
  const [one, other] = [fake(), { ...fake({ name: "other" }), architectures: undefined }];
  await using host = await openHost({ root: join(folder, "root"), drivers: [one, other] });
  await mkdir(join(folder, "tree", "etc"), { recursive: true });
  const image = await host.images.import(join(folder, "tree"), { architecture: FOREIGN });
  expect(image.architecture).toBe(FOREIGN);
  await host.create({ driver: "fake", name: "a", image });
  await expect(host.create({ driver: "other", name: "b", image })).rejects.toThrow(FOREIGN);
});

describe("disposing a host", () => {
  const disposed = { code: "ERR_CONNECTION" };
  const withSource = (plugin: ImageSourcePlugin): Driver => ({ ...fake(), sources: [plugin] }) as unknown as Driver;
  const openWith = (driver: Driver) => openHost({ root: join(folder, "root"), drivers: [driver] });

  it("refuses every later call of images and networks", async () => {
    const host = await openWith(fake());
    const image = await importFakeImage(host);
    await host[Symbol.asyncDispose]();
    const { images, networks } = host;
    for (const call of [
      () => importFakeImage(host),
      () => images.get(image.fingerprint),
      () => images.list(),
      () => images.delete(image.fingerprint),
      () => networks.create({ name: "net0" }),
      () => networks.get("net0"),
      () => networks.list(),
      () => networks.delete("net0"),
    ])
      await expect(call()).rejects.toMatchObject(disposed);
  });

  it("ends an import of a folder under way, and waits for its end", async () => {
    const tree = join(folder, "tree");
    await mkdir(tree);
    for (let i = 0; i < 50; i++) await writeFile(join(tree, `file-${i}`), "x".repeat(4096));
    const host = await openWith(fake());
    const importing = host.images.import(tree);
    const ended = expect(importing).rejects.toMatchObject(disposed);
    await host[Symbol.asyncDispose]();
    await ended;
    await using next = await openWith(fake());
    expect(await next.images.list()).toEqual([]);
  });

  it("waits for what an import still has to undo", async () => {
    const begun = gate();
    const undone = gate();
    const order: string[] = [];
    const host = await openWith(
      withSource({
        prefixes: ["slow:"],
        import: async (_source, _draft, { signal }) => {
          void begun.pass();
          try {
            return await untilAborted(signal);
          } finally {
            await undone.pass();
            order.push("undone");
          }
        },
      }),
    );
    const importing = expect(host.images.import("slow:image")).rejects.toMatchObject(disposed);
    await begun.arrived;
    const disposing = host[Symbol.asyncDispose]().then(() => order.push("disposed"));
    await undone.arrived;
    undone.open();
    await Promise.all([importing, disposing]);
    expect(order).toEqual(["undone", "disposed"]);
  });

  it("keeps the reason of a caller's own signal", async () => {
    await using host = await openWith(fake());
    const reason = new Error("enough");
    await expect(host.images.list({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(host.networks.list({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
