import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { findStaticBusybox } from "@pileus/agent";
import { HostError, openHost } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { renderCpio } from "../src/initramfs/cpio.ts";
import { KernelSupply } from "../src/kernel/supply.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const INIT = `#!/busybox sh
/busybox mkdir /proc
/busybox mount -t proc proc /proc
/busybox echo "own initramfs: $(/busybox cat /proc/cmdline)" >/dev/console
/busybox poweroff -f
`;

beforeAll(warmCache, WARMING);

it(
  "boots an initramfs of the caller's in place of ours, without an agent, and names the file that is missing",
  { timeout: 120_000 },
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-own-initramfs-"));
    const root = join(folder, "host");
    try {
      const { kernel } = await new KernelSupply({ given: undefined, spawn }).get(join(cache, "qemu"));
      const initramfs = join(folder, "initramfs");
      const busybox = await readFile((await findStaticBusybox()).path ?? "");
      const archive = renderCpio([
        { name: "dev", type: "directory", mode: 0o755 },
        { name: "dev/console", type: "character-device", mode: 0o600, device: { major: 5, minor: 1 } },
        { name: "busybox", type: "file", mode: 0o755, data: busybox },
        { name: "init", type: "file", mode: 0o755, data: INIT },
      ]);
      await makeBusyboxRootfs(join(folder, "rootfs"));
      await using host = await openHost({ root, drivers: [qemu({ cache })] });
      const image = await host.images.import(join(folder, "rootfs"));
      const section = { kernel: { kernel, initramfs }, rootSize: "64MiB" } as const;
      const machine = await host.create({ driver: "qemu", name: "own", image, qemu: section });
      await expect(machine.start()).rejects.toThrow(HostError);
      await writeFile(initramfs, archive);
      await machine.start();
      expect(machine.can("exec")).toBe(false);
      await machine.wait({ signal: AbortSignal.timeout(100_000) });
      expect(await text(await machine.logs({ stream: "console" }))).toMatch(/own initramfs: .*root=LABEL=root/);
    } finally {
      expect(await machinesOf(root)).toEqual([]);
      await rm(folder, { recursive: true });
    }
  }),
);
