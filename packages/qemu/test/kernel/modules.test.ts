import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ConfigError } from "@pileus/core";
import { expect, it } from "vitest";
import { parseModuleInfo } from "../../src/kernel/module-info.ts";
import { collectModules, modulesIn } from "../../src/kernel/modules.ts";

const ko = (info: Readonly<Record<string, string>>) =>
  Buffer.from(
    `\x7fELF\0${Object.entries(info)
      .map(([key, value]) => `${key}=${value}\0`)
      .join("")}rest\0`,
  );

async function withModules(
  files: Readonly<Record<string, Buffer>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-modules-"));
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

it("orders modules so that each comes after what it needs, and leaves out what is built in", () =>
  withModules(
    {
      "kernel/net/virtio_net.ko": ko({ license: "GPL", depends: "net_failover,virtio,virtio_ring" }),
      "kernel/net/net_failover.ko": ko({ depends: "failover" }),
      "kernel/net/failover.ko": ko({ depends: "" }),
      "kernel/virtio/virtio.ko": ko({ depends: "virtio_ring" }),
      "kernel/virtio/virtio_ring.ko": ko({ depends: "" }),
      "kernel/fs/virtio-rng.ko": ko({ depends: "", softdep: "pre: failover post: other" }),
    },
    async (folder) => {
      const [modules = []] = await collectModules(modulesIn(folder), [["virtio_net", "virtio_rng", "ext4"]]);
      const names = modules.map((module) => module.name);
      expect(names).toEqual(["failover", "net_failover", "virtio_ring", "virtio", "virtio_net", "virtio_rng"]);
    },
  ));

it("reads modules compressed by gzip and xz", () =>
  withModules(
    {
      "a.ko.gz": gzipSync(ko({ depends: "b" })),
      // xz of ko({ depends: "" }).
      "b.ko.xz": Buffer.from(
        "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQASf0VMRgBkZXBlbmRzPQByZXN0AAAAvlf1/KkRj+MAASsTnAlI0h+2830BAAAAAARZWg==",
        "base64",
      ),
    },
    async (folder) => {
      const [modules = []] = await collectModules(modulesIn(folder), [["a"]]);
      expect(modules.map((module) => [module.name, module.content.subarray(0, 4).toString()])).toEqual([
        ["b", "\x7fELF"],
        ["a", "\x7fELF"],
      ]);
    },
  ));

it("rejects modules that depend on each other, and a missing folder", () =>
  withModules({ "a.ko": ko({ depends: "b" }), "b.ko": ko({ depends: "a" }) }, async (folder) => {
    await expect(collectModules(modulesIn(folder), [["a"]])).rejects.toThrow(ConfigError);
    await expect(collectModules(modulesIn(join(folder, "gone")), [["a"]])).rejects.toThrow(ConfigError);
  }));

it("does not mistake the end of another key for `depends`", () => {
  expect(parseModuleInfo(ko({ notdepends: "x", depends: "vhost-net" })).depends).toEqual(["vhost_net"]);
});
