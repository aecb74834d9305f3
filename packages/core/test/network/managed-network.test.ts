import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/contract/errors.ts";
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
