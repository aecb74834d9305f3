import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, NotFoundError, ProtocolError } from "../../src/errors/all.ts";
import { openHost, openHostWith } from "../../src/host.ts";
import { openImageStore } from "../../src/images/store.ts";
import type { NetworkManager } from "../../src/network/network-manager.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { acquireLock } from "../../src/system/lock.ts";
import { fake } from "../../src/testing/fake-driver.ts";

let folder: string;
let networks: NetworkManager;
const failure = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-networks-"));
  networks = openNetworks({ folder: join(folder, "networks"), hostId: "0".repeat(12) });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the definition of a network", () => {
  it("names the key that an unknown one most likely means, before anything is touched", async () => {
    const definition = { name: "net0", ipv4: { adress: "10.90.0.1/24" } };
    const error = await failure(networks.create(definition as { name: string }));
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain('ipv4.adress: unknown key; did you mean "address"?');
  });
});

describe("the name of a network", () => {
  it.each([undefined, null, 7, {}, "../x", ""])("is not found when it is %j", async (name) => {
    expect(await failure(networks.get(name as string))).toBeInstanceOf(NotFoundError);
    expect(await failure(networks.delete(name as string))).toBeUndefined();
  });
});

describe("the lock of a network", () => {
  it("is removed at the next opening when its holder was killed before the network existed or after its removal", async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-networks-"));
    await mkdir(join(root, "networks", "net0"), { recursive: true });
    for (const name of ["net0", "net1", "net2"]) await writeFile(join(root, "networks", `.lock-${name}`), "");
    await mkdir(join(root, "networks", ".lock-folder.net0"));
    await using held = await acquireLock(join(root, "networks", ".lock-net2"));
    await using _host = await openHost({ root, drivers: [fake()] });
    const left = [".lock-folder.net0", ".lock-net0", ".lock-net2", "net0"];
    expect((await readdir(join(root, "networks"))).sort()).toEqual(left);
    await held.release();
    await rm(root, { recursive: true });
  });
});

describe("a file of a network that cannot be read", () => {
  const UUID = "00000000-0000-4000-8000-00000000000a";
  const OTHER = "00000000-0000-4000-8000-00000000000b";
  const config = (name: string) => ({
    version: 1,
    config: { name, ipv4: { address: "10.90.0.1/24", nat: true }, dns: { domain: "pileus" } },
  });
  const reservation = (uuid: string, instance: string) => ({
    version: 1,
    instance,
    uuid,
    nics: [{ device: "eth0", mac: "02:00:00:00:00:01", address: "10.90.0.7", hostInterface: "pil000000000000" }],
  });
  const damages: Record<string, (path: string) => Promise<unknown>> = {
    "a half": (path) => writeFile(path, '{"version":1,"con'),
    "one of another version": (path) => writeFile(path, '{"version":2}'),
    "an empty one": (path) => writeFile(path, ""),
    "a folder": (path) => mkdir(path),
    "a pipe": async (path) => execFileSync("mkfifo", [path]),
    "a link": (path) => symlink("/dev/zero", path),
    "one of 600 MB": async (path) => {
      await writeFile(path, "");
      await truncate(path, 600e6);
    },
  };

  let root: string;
  let opened: NetworkManager;
  const network = (name: string) => join(root, "networks", name);
  const held = (name: string, uuid: string) => join(network(name), "reservations", `${uuid}.json`);
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "pileus-networks-"));
    opened = openNetworks({ folder: join(root, "networks"), hostId: "0".repeat(12) });
    for (const name of ["net0", "net1"]) {
      await mkdir(join(network(name), "reservations"), { recursive: true });
      await writeFile(join(network(name), "network.json"), JSON.stringify(config(name)));
    }
    await writeFile(held("net0", UUID), JSON.stringify(reservation(UUID, "a")));
    await writeFile(held("net1", OTHER), JSON.stringify(reservation(OTHER, "b")));
  });
  afterEach(() => rm(root, { recursive: true }));

  it.each(Object.keys(damages))("affects no other network when it is a definition and %s", async (kind) => {
    const path = join(network("net1"), "network.json");
    await rm(path);
    await damages[kind]?.(path);
    expect((await opened.list()).map(({ name }) => name)).toEqual(["net0"]);
    expect(await opened.get("net0")).toMatchObject({ name: "net0" });
    expect(await opened.attachments({ name: "a", uuid: UUID })).toHaveLength(1);
    const calls = [() => opened.get("net1"), () => opened.attachments({ name: "b", uuid: OTHER })];
    for (const call of calls) {
      const error = await failure(call());
      expect(error).toBeInstanceOf(ProtocolError);
      expect(String(error)).toContain(path);
    }
    expect(await opened.issues()).toContainEqual({ network: "net1", reason: expect.stringContaining(path) });
  });

  it.each(Object.keys(damages))("affects no other instance when it is a reservation and %s", async (kind) => {
    await rm(held("net1", OTHER));
    await damages[kind]?.(held("net1", OTHER));
    expect(await opened.list()).toHaveLength(2);
    expect(await opened.attachments({ name: "a", uuid: UUID })).toHaveLength(1);
    await opened.release({ name: "a", uuid: UUID });
    const owner = { name: "b", uuid: OTHER };
    for (const call of [() => opened.attachments(owner), () => opened.release(owner)])
      expect(String(await failure(call()))).toContain(held("net1", OTHER));
    const reason = expect.stringContaining(held("net1", OTHER));
    expect(await opened.issues()).toContainEqual({ network: "net1", reason });
  });

  it("is reported by doctor(), and does not keep the host from opening", async () => {
    await writeFile(join(network("net1"), "network.json"), "{");
    const parts = {
      openImages: openImageStore,
      openNetworks: async () => opened,
      probeNetworks: async () => ({ missing: [], facts: [] }),
    };
    await using host = await openHostWith({ root, drivers: [fake()] }, parts);
    expect(await host.networks.list()).toHaveLength(1);
    expect(String(await host.doctor())).toMatch(/^ {2}network "net1": .*network\.json cannot be read .*: restore it/m);
  });

  it("is not taken for a network when it is a plain file among the networks", async () => {
    await writeFile(network("net2"), "");
    expect(await opened.list()).toHaveLength(2);
    expect(await failure(opened.get("net2"))).toBeInstanceOf(NotFoundError);
    expect(await failure(opened.delete("net2"))).toBeUndefined();
  });

  it("rejects with the signal's reason while another process holds the network's lock", async () => {
    await using _lock = await acquireLock(join(root, "networks", ".lock-net0"));
    const controller = new AbortController();
    const call = opened.release({ name: "a", uuid: UUID }, { signal: controller.signal });
    const begun = performance.now();
    controller.abort("enough");
    expect(await failure(call)).toBe("enough");
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(await opened.attachments({ name: "a", uuid: UUID })).toHaveLength(1);
  });
});
