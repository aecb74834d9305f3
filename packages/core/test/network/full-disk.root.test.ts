import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { smallDisks } from "../../../../test-support/full-disk.ts";
import { DevicesSchema } from "../../src/model/device/device.ts";
import { interfaceNames } from "../../src/network/link.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { requires } from "../../src/testing/requires.ts";
import { NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilf${process.pid}`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-full-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("on a full disk", () => {
  it.for(smallDisks({ megabytes: 2, inodes: 200 }))(
    "gives addresses back, and deletes a network: $name",
    { timeout: 60_000 },
    ({ fill, drain, mount, unmount, left }, context) =>
      requires(NEEDS, async () => {
        mount(folder);
        const runFolder = join(folder, "run");
        mkdirSync(runFolder, { mode: 0o755 });
        const root = join(folder, "networks");
        const networks = openNetworks({ folder: root, hostId: `f${process.pid}`.padEnd(12, "0"), runFolder });
        const full = () => {
          fill(folder);
          expect(statfsSync(folder)[left]).toBe(0);
        };
        try {
          await networks.create({ name: NAME });
          const devices = DevicesSchema.parse({ eth0: { type: "nic", network: NAME } });
          await networks.reserve(owner("a"), devices);
          full();
          await expect(networks.reserve(owner("b"), devices)).rejects.toMatchObject({ code: "ENOSPC" });
          expect(await networks.attachments(owner("b"))).toEqual([]);
          full();
          await networks.release(owner("a"));
          full();
          await networks.delete(NAME);
          expect([readdirSync(root), readdirSync(runFolder)]).toEqual([[], []]);
          expect(await interfaceNames()).not.toContain(NAME);
        } finally {
          drain(folder);
          await networks.delete(NAME).catch(() => undefined);
          unmount(folder);
        }
      })(context),
  );
});
