import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError, openHost } from "@pileus/core";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { QmpClient } from "../src/qmp/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 240_000;

beforeAll(warmCache, WARMING);

it(
  "shows the guest the same board after an upgrade of QEMU, and lets devices be plugged into it and unplugged",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-plugged-"));
    const signal = AbortSignal.timeout(TIMEOUT);
    try {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache })] });
      const image = await host.images.import(join(folder, "rootfs"));
      const section = { rootSize: "64MiB", slots: 9 } as const;
      const limits = { memory: "192MiB" };
      await using machine = await host.ephemeral({ driver: "qemu", name: "plugged", image, limits, qemu: section });
      const own = join(folder, "host/instances", (await machine.inspect()).uuid);
      const monitor = () => QmpClient.connect(join(own, "run/qmp15.sock"), { signal });
      const board = async () => {
        await using qmp = await monitor();
        return await qmp.execute("qom-get", { path: "/machine", property: "type" });
      };
      const kept = (await readFile(join(own, "machine-type"), "utf8")).trim();
      expect(kept).toMatch(/^pc-q35-\d+\.\d+$/);
      expect(await board()).toBe(`${kept}-machine`);

      // The first version that an earlier QEMU would have had.
      await machine.stop({ mode: "kill" });
      await writeFile(join(own, "machine-type"), "pc-q35-7.0\n");
      await machine.start();
      await machine.ready({ signal });
      expect(await board()).toBe("pc-q35-7.0-machine");

      await using qmp = await monitor();
      const devices = async () => (await machine.run(["ls", "/sys/bus/pci/devices"])).stdout.trim().split("\n");
      const before = await devices();
      for (const bus of ["slot0", "slot8"]) {
        const id = `rng-${bus}`;
        await qmp.execute("device_add", { driver: "virtio-rng-pci", id, bus });
        await expect.poll(devices, { timeout: 30_000 }).toHaveLength(before.length + 1);
        const deleted = new Promise((resolve) => {
          qmp.events.on("DEVICE_DELETED", ({ data }) => data.device === id && resolve(id));
        });
        await qmp.call("device_del", { id }, { signal });
        await deleted;
        await expect.poll(devices, { timeout: 30_000 }).toEqual(before);
      }

      await machine.stop({ mode: "kill" });
      await machine.update({ qemu: { machine: "pc-q35-99.9" } });
      const refused = machine.start();
      await expect(refused).rejects.toThrow(HostError);
      await expect(refused).rejects.toThrow("machine-type:pc-q35-99.9");
      await machine.update({ qemu: { machine: null } });
      await machine.start();
      expect(await board()).toBe("pc-q35-7.0-machine");
    } finally {
      expect(await machinesOf(join(folder, "host"))).toEqual([]);
      await rm(folder, { recursive: true });
    }
  }),
);
