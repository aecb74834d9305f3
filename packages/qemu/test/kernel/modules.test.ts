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

it("does not mistake the end of another key for `depends`", async () => {
  const { depends } = await parseModuleInfo(ko({ notdepends: "x", depends: "vhost-net" }));
  expect(depends).toEqual(["vhost_net"]);
});

it("finds what a large module declares, wherever it stands", async () => {
  const declared = ko({ depends: "a" });
  for (const at of [0, 2 ** 20 - 12, 2 ** 20 - 5, 2 ** 20, 2 ** 21 - declared.length]) {
    const module = Buffer.alloc(2 ** 21);
    declared.copy(module, at);
    expect(await parseModuleInfo(module)).toEqual({ depends: ["a"], softDepends: [] });
  }
});

it.each<[name: string, info: Readonly<Record<string, string>>]>([
  ["blanks", { softdep: `pre: ${" ".repeat(2 ** 22)}x` }],
  ["one long name", { depends: "a".repeat(2 ** 22) }],
])("refuses a module that declares megabytes of %s, without searching them", async (_name, info) => {
  await expect(parseModuleInfo(ko(info))).rejects.toThrow(ConfigError);
});

it("refuses a module that declares its needs again and again", async () => {
  await expect(parseModuleInfo(Buffer.alloc(2 ** 20, "\0depends="))).rejects.toThrow(ConfigError);
});

it.each<[name: string, count: number, read: (index: number) => Buffer]>([
  ["in a chain without an end", 100_000, (index) => ko({ depends: `m${index + 1}` })],
  ["of too many bytes", 1, () => Buffer.alloc(2 ** 27 + 1)],
])("refuses modules %s", async (_name, count, read) => {
  let reads = 0;
  const files = Array.from({ length: count }, (_, index) => {
    const open = async () => {
      reads += 1;
      return read(index);
    };
    return [`m${index}.ko`, open] as const;
  });
  const folder = { path: "/lib/modules/x", list: async () => new Map(files) };
  await expect(collectModules(folder, [["m0"]])).rejects.toThrow(/more than any kernel needs/);
  expect(reads).toBeLessThan(2000);
});
