import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { describe, expect, it, vi } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
const NETWORK = `pilr${process.pid}`.slice(0, 15);
const eth0 = { type: "nic", network: NETWORK } as const;

describe("a container that is renamed while it runs", () => {
  it(
    "is found by its new name alone, in DNS too, keeps its host name until the next start, and leaves nothing",
    requires([...NEEDS, "binary:nft", "binary:dnsmasq"], async () => {
      const { host, image, root } = fixture;
      await host.networks.create({ name: NETWORK });
      try {
        const config = { driver: "lxc", image, devices: { eth0 } } as const;
        await using neighbour = await host.ephemeral({ ...config, name: "neighbour" });
        const box = await host.create({ ...config, name: "before" });
        await box.start();
        const resolved = async (name: string) => {
          const { stdout } = await neighbour.run(["nslookup", `${name}.pileus`]);
          return /^Name:[\s\S]*?^Address(?: 1)?: (\S+)/m.exec(stdout)?.[1];
        };
        const inside = async (...argv: string[]) => (await box.run(argv)).stdout.trim();
        const [{ address = "" } = {}] = await box.addresses();
        expect(await resolved("before")).toBe(address);
        const { pid } = await box.inspect();

        await box.rename("after");
        expect([await resolved("after"), await resolved("before")]).toEqual([address, undefined]);
        expect([(await box.inspect()).pid, await inside("hostname")]).toEqual([pid, "before"]);

        const heir = await host.create({ ...config, name: "before" });
        await heir.start();
        expect(await resolved("before")).toBe((await heir.addresses())[0]?.address);
        await box.restart({ mode: "kill" });
        expect([await inside("hostname"), await inside("cat", "/etc/hostname")]).toEqual(["after", "after"]);
        expect((await box.addresses())[0]?.address).toBe(address);
        const hosts = await box.files.readText("/etc/hosts");
        expect(hosts).toContain(`${address} after.pileus after\n`);
        expect(hosts).not.toContain("before");
        await box.delete();
        expect(await resolved("after")).toBeUndefined();
        await heir.delete();
      } finally {
        await vi.waitFor(() => host.networks.delete(NETWORK), 10_000);
      }
      expect(await leftovers(root)).toEqual([]);
    }),
    120_000,
  );
});

describe("a container of a release that named folders by names", () => {
  it(
    "runs, stops, is renamed and deleted where it lies, and leaves nothing",
    requires(NEEDS, async () => {
      const { root, host, image } = fixture;
      const made = await host.create({ driver: "lxc", name: "old", image });
      await made.start();
      await made.run(["sh", "-c", "echo mine >/file"]);
      await made.stop({ mode: "kill" });
      const { uuid } = await made.inspect();
      // As that release left it.
      const folder = join(root, "instances/old");
      renameSync(join(root, "instances", uuid), folder);
      rmSync(join(root, "names/old"));
      const path = join(folder, "instance.json");
      const { folder: _folder, run: _run, ...record } = JSON.parse(readFileSync(path, "utf8"));
      writeFileSync(path, JSON.stringify(record));
      await using later = await openHost({ root, drivers: [lxc()] });
      const old = await later.get("old", { driver: "lxc" });
      await old.start();
      await old.rename("new");
      await using other = await openHost({ root, drivers: [lxc()] });
      const found = await other.get("new", { driver: "lxc" });
      expect((await found.run(["sh", "-c", "cat /file; hostname"])).stdout).toBe("mine\nold\n");
      await old.restart({ mode: "kill" });
      expect((await found.run(["sh", "-c", "cat /file; hostname"])).stdout).toBe("mine\nnew\n");
      await using next = await later.ephemeral({ driver: "lxc", name: "old", image });
      expect([await next.state(), await old.state()]).toEqual(["running", "running"]);
      await found.delete();
      expect(await next.state()).toBe("running");
      await next.delete();
      expect(await leftovers(root)).toEqual([]);
    }),
    120_000,
  );
});
