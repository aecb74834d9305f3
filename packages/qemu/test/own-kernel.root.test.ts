import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError, openHost } from "@pileus/core";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { ownKernels } from "./support/own-kernel.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 180_000;

beforeAll(warmCache, WARMING);

async function onHost(test: (host: Awaited<ReturnType<typeof open>>, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-own-kernel-"));
  const root = join(folder, "host");
  try {
    await using host = await open(root);
    await test(host, folder);
  } finally {
    expect(await machinesOf(root)).toEqual([]);
    await rm(folder, { recursive: true });
  }
}
const open = (root: string) => openHost({ root, drivers: [qemu({ cache })] });

it(
  "boots the image's own kernel, a newer one after an upgrade inside and a crash, and says what to do when it is gone",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, folder) => {
      const kernels = await ownKernels();
      const [shipped, newer] = [kernels.variant(1), kernels.variant(2)];
      const root = join(folder, "rootfs");
      await makeBusyboxRootfs(root);
      await kernels.install(shipped, join(root, "boot"), join(root, "lib/modules", shipped));
      await kernels.install(newer, join(root, "staged"), join(root, "staged/modules"));
      const image = await host.images.import(root);
      await using machine = await host.ephemeral({
        ...{ driver: "qemu", name: "own", image, limits: { memory: "256MiB" } },
        qemu: { kernel: "image", rootSize: "256MiB" },
      });
      const release = async () => (await machine.run(["uname", "-r"], { timeout: TIMEOUT })).stdout.trim();
      expect(await release()).toBe(shipped);

      const upgrade = `mv /staged/vmlinuz-* /boot && mv /staged/modules /lib/modules/${newer} && sync`;
      await machine.run(["sh", "-c", upgrade], { check: true });
      await machine.stop({ mode: "kill" });
      await machine.start();
      expect(await release()).toBe(newer);

      await machine.run(["sh", "-c", "rm /boot/vmlinuz-*"], { check: true });
      await machine.stop({ timeout: 60_000 });
      await expect(machine.start()).rejects.toThrow(/no kernel.*"managed"/);
      expect(await machine.state()).toBe("stopped");
    }),
  ),
);

it(
  "refuses at create an image without a kernel, and leaves nothing",
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const config = { driver: "qemu", name: "bare", image, qemu: { kernel: "image", rootSize: "64MiB" } } as const;
      const error = await host.create(config).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ImageError);
      expect((error as Error).message).toMatch(/no \/boot\/vmlinuz-\*: .*linux-image-cloud-amd64.*"managed"/);
      expect(await host.list()).toEqual([]);
    }),
  ),
);
