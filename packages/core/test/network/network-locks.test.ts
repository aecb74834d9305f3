import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DevicesSchema } from "../../src/model/device/device.ts";
import { writeDefinition } from "../../src/network/definition.ts";
import { NetworkLocks } from "../../src/network/network-locks.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { acquireLock } from "../../src/system/lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-network-locks-"));
  await mkdir(join(folder, "net0"));
});
afterEach(() => rm(folder, { recursive: true }));

const locks = () => new NetworkLocks({ folder, runFolder: folder, timeout: 50 });
/** The error of a wait that was too long for the lock of that file. */
const timeout = (file: string) => ({
  code: "ERR_TIMEOUT",
  message: expect.stringContaining(`find it with fuser ${join(folder, file)}`),
});

describe("the lock", () => {
  it("of a network is waited for until a deadline, whose error says how to find who holds it", async () => {
    await using held = await acquireLock(join(folder, ".lock-net0"));
    const work = async () => "done";
    await expect(locks().onNetwork("net0", {}, work)).rejects.toMatchObject(timeout(".lock-net0"));
    expect(await locks().onNetwork("net1", {}, work)).toBe("done");
    await held.release();
    expect(await locks().onNetwork("net0", {}, work)).toBe("done");
  });

  it("of the machine likewise, and its file stays while the root has networks", async () => {
    const path = join(folder, "pileus-network.lock");
    await using held = await acquireLock(path);
    const work = async () => "done";
    await expect(locks().onMachine({}, work)).rejects.toMatchObject(timeout("pileus-network.lock"));
    await held.release();
    expect(await locks().onMachine({}, work)).toBe("done");
    expect(existsSync(path)).toBe(true);
    await rm(join(folder, "net0"), { recursive: true });
    await locks().onMachine({}, work);
    expect(existsSync(path)).toBe(false);
  });

  it("ends a reservation and gives back what it had reserved, while another process holds it", async () => {
    const networks = openNetworks({ folder, hostId: "0".repeat(12), runFolder: folder, lockTimeout: 50 });
    for (const [name, address] of [
      ["net0", "10.90.0.1/24"],
      ["net1", "10.91.0.1/24"],
    ] as const) {
      await mkdir(join(folder, name, "reservations"), { recursive: true });
      await writeDefinition(join(folder, name, "network.json"), {
        name,
        ipv4: { address, nat: true },
        dns: { domain: "pileus" },
        isolated: false,
      });
    }
    const devices = DevicesSchema.parse({
      eth0: { type: "nic", network: "net0" },
      eth1: { type: "nic", network: "net1" },
    });
    const owner = { name: "a", uuid: "00000000-0000-4000-8000-00000000000a" };
    await using held = await acquireLock(join(folder, ".lock-net1"));
    await expect(networks.reserve(owner, devices)).rejects.toMatchObject(timeout(".lock-net1"));
    expect(await networks.attachments(owner)).toEqual([]);
    await held.release();
    expect(await networks.reserve(owner, devices)).toHaveLength(2);
  });
});
