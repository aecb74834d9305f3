import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { randomOf } from "../../../core/test/images/support/random.ts";
import { Ext4, type Inode } from "../../src/ext4/file-system.ts";
import { bufferSource, makeExt4, sourceOf } from "../support/ext4-image.ts";

const NEEDS = ["binary:mkfs.ext4", "binary:debugfs"] as const;

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-ext4-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function textOf(system: Ext4, path: string): Promise<string | undefined> {
  const inode = await system.find(path);
  return inode?.type === "file" ? (await system.read(inode, { max: 2 ** 20 })).toString() : undefined;
}

it(
  "follows links inside of the file system only, and ends where they lead in a circle",
  requires(NEEDS, () =>
    inFolder(async (folder) => {
      const long = `${"./".repeat(100)}target`;
      const path = await makeExt4(folder, {
        ...{ "boot/target": "kernel", "etc/passwd": "guest" },
        ...{
          "boot/short": { link: "target" },
          "boot/long": { link: long },
          "boot/up": { link: "../../../etc/passwd" },
        },
        ...{ lib: { link: "usr/lib" }, "usr/lib/file": "below", "boot/circle": { link: "circle" } },
        ...{ "boot/absolute": { link: "/lib/file" }, "boot/dangling": { link: "/none" } },
      });
      const system = await Ext4.open(await sourceOf(path), "disk");
      const names = ["target", "short", "long", "up", "absolute", "circle", "dangling", "target/below"];
      expect(await Promise.all(names.map((name) => textOf(system, `/boot/${name}`)))).toEqual([
        ...["kernel", "kernel", "kernel", "guest", "below"],
        ...[undefined, undefined, undefined],
      ]);
    }),
  ),
);

const SHAPES = {
  "the defaults": [],
  "blocks of 1 KiB": ["-b", "1024"],
  "without 64bit": ["-O", "^64bit,^metadata_csum"],
  "inodes of 128 bytes": ["-I", "128"],
};

for (const [shape, options] of Object.entries(SHAPES)) {
  it(
    `reads whole files and large folders: ${shape}`,
    requires(NEEDS, () =>
      inFolder(async (folder) => {
        // Holes, so that its extents do not fit into the inode.
        const scattered = randomBytes(2 ** 20);
        for (let at = 0; at < scattered.length; at += 2 ** 15) scattered.fill(0, at, at + 2 ** 14);
        const names = Array.from({ length: 500 }, (_, index) => `file-${index}`);
        const many = Object.fromEntries(names.map((name) => [`many/${name}`, name]));
        const path = await makeExt4(folder, { scattered, ...many }, { options });
        const system = await Ext4.open(await sourceOf(path), "disk");
        const inode = await inodeOf(system, "/scattered");
        const max = 2 ** 20;
        expect((await system.read(inode, { max })).equals(scattered)).toBe(true);
        expect((await system.read(inode, { max, length: 70_000 })).equals(scattered.subarray(0, 70_000))).toBe(true);
        await expect(system.read(inode, { max: max - 1 })).rejects.toThrow(ImageError);
        expect([...(await system.list(await inodeOf(system, "/many"))).keys()].sort()).toEqual(names.sort());
        expect(await textOf(system, "/many/file-499")).toBe("file-499");
      }),
    ),
  );
}

for (const version of [1, 2, 3]) {
  it(
    `reads what the journal of an unclean file system holds, and nothing that was revoked: checksums of version ${version}`,
    requires(NEEDS, () =>
      inFolder(async (folder) => {
        const path = await makeExt4(folder, { file: "on the disk", other: "on the disk" });
        const blockOf = async (name: string) =>
          (await spawn(["debugfs", "-R", `blocks ${name}`, path])).stdout.trim().split(" ")[0] ?? "";
        const [file, other] = [await blockOf("/file"), await blockOf("/other")];
        // A block that begins with the journal's own magic is stored in another way.
        const magic = Buffer.from([0xc0, 0x3b, 0x39, 0x98]);
        const newer = Buffer.concat([magic, Buffer.from("journaled")], 4096);
        await writeFile(join(folder, "block"), newer);
        const block = join(folder, "block");
        const open = version === 1 ? "journal_open" : `journal_open -c -v ${version}`;
        const write = [open, `journal_write -b ${file},${other} ${block}`, "journal_close"];
        const revoke = [open, `journal_write -r ${other}`, "journal_close"];
        for (const commands of [write, revoke]) {
          await writeFile(join(folder, "commands"), `${commands.join("\n")}\n`);
          await spawn(["debugfs", "-w", "-f", join(folder, "commands"), path]);
        }
        const system = await Ext4.open(await sourceOf(path), "disk");
        const bytes = await system.read(await inodeOf(system, "/file"), { max: 4096 });
        expect(bytes.equals(newer.subarray(0, "on the disk".length))).toBe(true);
        expect(await textOf(system, "/other")).toBe("on the disk");
      }),
    ),
  );
}

it(
  "reads a journal that says to replace its own blocks as it is on the disk",
  requires(NEEDS, () =>
    inFolder(async (folder) => {
      const path = await makeExt4(folder, { file: "on the disk" }, { options: ["-b", "4096"] });
      // The journal begins with its superblock and a descriptor. Then comes the copy.
      const blocks = (await spawn(["debugfs", "-R", "blocks <8>", path])).stdout.trim().split(" ");
      const [block, commands] = [join(folder, "block"), join(folder, "commands")];
      await writeFile(block, Buffer.alloc(4096, "copy"));
      await writeFile(commands, `journal_open\njournal_write -b ${blocks[2]} ${block}\njournal_close\n`);
      await spawn(["debugfs", "-w", "-f", commands, path]);
      const system = await Ext4.open(await sourceOf(path), "disk");
      const journal = await system.inodeOf({ inode: 8, type: "file" });
      const bytes = await system.read(journal, { max: 2 ** 30, length: 3 * 4096 });
      expect(bytes.toString("latin1", 2 * 4096, 2 * 4096 + 4)).toBe("copy");
    }),
  ),
);

it(
  "ends with ImageError, or with some content, however the file system is damaged",
  { timeout: 60_000 },
  requires(NEEDS, () =>
    inFolder(async (folder) => {
      const path = await makeExt4(
        folder,
        { "boot/vmlinuz": "kernel", "boot/link": { link: "vmlinuz" } },
        { options: ["-b", "4096"] },
      );
      const whole = await readFile(path);
      const layout = await spawn(["dumpe2fs", path]);
      const table = Number(/Inode table at (\d+)/.exec(layout.stdout)?.[1]) * 4096;
      const random = randomOf(20_260_101);
      const failures = new Set<string>();
      for (let round = 0; round < 300; round++) {
        const undo: [at: number, byte: number][] = [];
        // The superblock, a descriptor, and the inodes.
        for (let flips = 0; flips < 8; flips++) {
          const at = [1024 + random(88), 4096 + random(64), table + random(16 * 256)][random(3)] as number;
          undo.unshift([at, whole.readUInt8(at)]);
          whole.writeUInt8(random(256), at);
        }
        try {
          const system = await Ext4.open(bufferSource(whole), "disk");
          for (const name of ["/boot/vmlinuz", "/boot/link"]) await textOf(system, name);
          const boot = await system.find("/boot");
          if (boot?.type === "directory") await system.list(boot);
        } catch (error) {
          if (!(error instanceof ImageError)) throw error;
          failures.add(error.message);
        }
        for (const [at, byte] of undo) whole.writeUInt8(byte, at);
      }
      expect(failures.size).toBeGreaterThan(1);
    }),
  ),
);

async function inodeOf(system: Ext4, path: string): Promise<Inode> {
  const inode = await system.find(path);
  if (inode === undefined) throw new Error(`no ${path}`);
  return inode;
}
