import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/errors/all.ts";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { ManagedNetwork } from "../../src/network/managed-network.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const UUID = "00000000-0000-4000-8000-000000000001";
const HOST = "abcdefghij";

let folder: string;
let changes: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-network-"));
  changes = [];
});
afterEach(() => rm(folder, { recursive: true }));

/** A host whose bridge has this alias. `lo` stands for it: every machine has an interface of that name. */
function network(ifalias: string | undefined): ManagedNetwork {
  const shown = [{ flags: ["UP"], address: "02:00:00:00:00:01", ifalias, addr_info: [] }];
  const spawn: Spawn = async (argv, options) => {
    if (argv[1] === "-j") return { stdout: JSON.stringify(shown), stderr: "", exitCode: 0 };
    changes.push(`${argv[0]} ${String(options?.stdin).replaceAll("\n", "; ")}`);
    return { stdout: "", stderr: "", exitCode: 0 };
  };
  return new ManagedNetwork({ name: "lo", folder, served: join(folder, "served"), hostId: HOST, spawn });
}

describe("the removal of a network from the machine", () => {
  it("removes its rules and its bridge", async () => {
    await network(`pileus:${HOST}`).tearDown();
    const tables = ["inet", "bridge"].map((family) => `table ${family} pileus_lo; delete table ${family} pileus_lo; `);
    expect(changes).toEqual([`nft ${tables.join("")}`, "ip link del dev lo; "]);
  });

  it.each([
    ["another root", "pileus:another000"],
    ["an unknown owner", undefined],
  ])("does not touch an interface of %s under its name, nor the rules of that name", async (_, alias) => {
    await network(alias).tearDown();
    expect(changes).toEqual([]);
  });
});

it("refuses a nic without the filter where the network has an egress policy, before anything changes", async () => {
  const config = NetworkConfigSchema.parse({ name: "net0", ipv4: "10.90.0.1/24", egress: { allow: [] } });
  const its = network(`pileus:${HOST}`);
  const nics = [["eth0", { type: "nic", network: "net0", filter: false }]] as const;
  const reserved = its.reserve(config as Parameters<typeof its.raise>[0], { name: "web", uuid: UUID }, nics);
  await expect(reserved).rejects.toMatchObject({ issues: [{ path: ["devices", "eth0", "filter"] }] });
  expect([await its.holders(), changes]).toEqual([[], []]);
});

describe("the definition of a later release", () => {
  const config = { ...NetworkConfigSchema.parse({ name: "net0", ipv4: "10.90.0.1/24" }), name: "lo" };
  const later = { version: 2, novelty: 1, config: { ...config, novelty: 2, dns: { domain: "pileus", novelty: 3 } } };

  it("is shown with what it added, and what it defines is left alone", async () => {
    await writeFile(join(folder, "network.json"), JSON.stringify(later));
    const its = network(`pileus:${HOST}`);
    expect(await its.definition()).toEqual(later.config);
    const refused = { code: "ERR_HOST", missing: [{ need: "release" }] };
    const owner = { name: "web", uuid: UUID };
    const nics = [["eth0", { type: "nic", network: "lo" }]] as const;
    const shown = config as Parameters<typeof its.raise>[0];
    for (const call of [() => its.raise(shown), () => its.tearDown(), () => its.reserve(shown, owner, nics)])
      await expect(call()).rejects.toMatchObject(refused);
    expect(changes).toEqual([]);
    expect(await its.damage()).toEqual([expect.stringContaining("version 2")]);
  });
});

describe("a reservation on disk", () => {
  const written = {
    version: 1,
    instance: "web",
    uuid: UUID,
    nics: [{ device: "eth0", mac: "02:00:00:00:00:01", address: "10.90.0.7", hostInterface: "pil000000000000" }],
  };
  const nic = (more: object) => ({ ...written, nics: [{ ...written.nics[0], ...more }] });
  const store = async (content: object) => {
    await mkdir(join(folder, "reservations"));
    await writeFile(join(folder, "reservations", `${UUID}.json`), JSON.stringify(content));
  };

  it("is read as it was written", async () => {
    await store(written);
    expect(await network(undefined).reservation(UUID)).toEqual(written);
    expect(await network(undefined).damage()).toEqual([]);
  });

  it("keeps what another release added to it, and is released", async () => {
    const content = { ...nic({ novelty: 1, egress: { allow: [], novelty: 2 } }), version: 2, minReader: 1, novelty: 3 };
    await store(content);
    expect(await network(undefined).reservation(UUID)).toEqual(content);
    await network(undefined).release(UUID);
    expect(await network(undefined).holders()).toEqual([]);
  });

  it("of a later release stays unchanged, and damage() tells of it", async () => {
    await store({ ...written, version: 2 });
    const refused = { code: "ERR_HOST", missing: [{ need: "release" }] };
    await expect(network(undefined).release(UUID)).rejects.toMatchObject(refused);
    expect(await network(undefined).damage()).toEqual([expect.stringContaining("version 2")]);
    expect(changes).toEqual([]);
  });

  it.each(["the network", "the reservation"])(
    "keeps what runs when %s is of a later release: a rename is undone by doing nothing",
    async (which) => {
      const later = { version: 99, minReader: 99 };
      const config = { ...NetworkConfigSchema.parse({ name: "net0", ipv4: "10.90.0.1/24" }), name: "lo" };
      await writeFile(
        join(folder, "network.json"),
        JSON.stringify({ version: 1, config, ...(which === "the network" && later) }),
      );
      await store({ ...written, ...(which === "the reservation" && later) });
      // A lease that this release would take for one that a crash has left.
      const leases = `${Math.floor(Date.now() / 1000) + 1000} 02:00:00:00:00:02 10.90.0.7 web *\n`;
      await writeFile(join(folder, "dnsmasq.leases"), leases);
      const its = network(undefined);
      const given = config as Parameters<typeof its.rename>[0];
      await expect(its.rename(given, { name: "db", uuid: UUID })).rejects.toMatchObject({ code: "ERR_HOST" });
      await its.rename(given, { name: "web", uuid: UUID });
      expect(await readFile(join(folder, "dnsmasq.leases"), "utf8")).toBe(leases);
      expect(changes).toEqual([]);
    },
  );

  it.each([
    ["an interface that does not belong to an instance", nic({ hostInterface: "lo" })],
    ["a line for the server", nic({ mac: "02:00:00:00:00:01,ignore\n" })],
    ["no address", nic({ address: "10.90.0" })],
    ["an invalid name", { ...written, instance: "web db" }],
    ["the UUID of another", { ...written, uuid: UUID.replace("1", "2") }],
  ])("is reported as damaged and stays unchanged when it holds %s", async (_, content) => {
    await store(content);
    await expect(network(undefined).release(UUID)).rejects.toThrow(ProtocolError);
    expect(changes).toEqual([]);
  });
});
