import { appendFile, link, mkdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { spawn } from "../../../src/system/spawn.ts";
import { lsetxattr } from "../../../src/system/syscall.ts";
import { makeBusyboxRootfs } from "../../../src/testing/busybox-rootfs.ts";
import { requires } from "../../../src/testing/requires.ts";
import { listing, Scratch } from "../support/scratch.ts";
import { entryBytes, file, folder, hardLink, paxBytes, type RawEntry, tarBytes } from "../support/tar-bytes.ts";

const NEEDS = ["root", "binary:tar", "binary:xz", "binary:zstd", "binary:busybox"] as const;

/** A tree with one of everything that a layer may hold. */
async function makeTree(tree: string): Promise<void> {
  await makeBusyboxRootfs(tree);
  const deep = `${tree}/${"long-name-of-a-folder/".repeat(9)}`;
  await mkdir(deep, { recursive: true });
  await writeFile(`${deep}${"f".repeat(200)}`, "deep");
  await symlink("t".repeat(150), `${tree}/long-link`);
  await symlink("/etc/passwd", `${tree}/absolute`);
  await symlink("../../../..", `${tree}/climbing`);
  await writeFile(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe, 0x0a, 0x20])]), "bytes");
  await mkdir(`${tree}/long-name`);
  await writeFile(Buffer.concat([Buffer.from(`${tree}/long-name/`), Buffer.alloc(150, 0xff)]), "long bytes");
  await writeFile(`${tree}/setuid`, "s");
  await link(`${tree}/setuid`, `${tree}/same`);
  await link(`${tree}/long-link`, `${tree}/linked-link`);
  await spawn([
    "sh",
    "-c",
    'cd "$1" && chown 12:34 setuid && chmod 6755 setuid && mkfifo -m 600 fifo && chown -h 1:2 absolute',
    "sh",
    tree,
  ]);
  await spawn(["sh", "-c", 'cd "$1" && mkdir sticky && chmod 1777 sticky && chown 3000000:4000000 sticky', "sh", tree]);
  lsetxattr(`${tree}/same`, "user.note", Buffer.from("a=b\n\0c"));
  // VFS_CAP_REVISION_2 with cap_net_raw; linux/capability.h.
  lsetxattr(
    `${tree}/bin/busybox`,
    "security.capability",
    Buffer.from("0100000200200000000000000000000000000000", "hex"),
  );
  await utimes(`${tree}/etc`, 1_000_000_000, 1_000_000_000.123);
  await utimes(`${tree}/sticky`, 1, 1);
}

const PLAIN = ["tar", "-x", "--numeric-owner", "-p", "--xattrs", "--xattrs-include=*"];

const EXOTIC = ["long-name-of-a-folder", "long-name", "long-link", "linked-link", "sticky"];

describe("a tar that is imported", () => {
  it.for([
    ["gnu", "none"],
    ["posix", "gzip"],
    ["posix", "xz"],
    ["gnu", "zstd"],
    ["ustar", "none"],
  ] as const)("gives the tree that tar(1) gives: format %s, compression %s", ([format, compression], context) =>
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const tree = scratch.path("tree");
      await makeTree(tree);
      // What that format cannot say.
      if (format === "ustar") await Promise.all(EXOTIC.map((name) => rm(`${tree}/${name}`, { recursive: true })));
      const archive = scratch.path("rootfs");
      const xattrs = format === "posix" ? ["--xattrs", "--xattrs-include=*"] : [];
      const compress = compression === "none" ? [] : [`--${compression}`];
      await spawn(["tar", "-c", `--format=${format}`, ...xattrs, ...compress, "-f", archive, "-C", tree, "."]);
      await mkdir(scratch.path("plain"));
      await spawn([...PLAIN, "-f", archive, "-C", scratch.path("plain")]);
      await using store = await scratch.open();
      const image = await store.import(archive);
      const content = await store.tree(image);
      if (content.kind !== "layers") throw new Error("no layers");
      expect(image).toMatchObject({ architecture: "amd64", os: "busybox", release: "1", properties: {} });
      expect(await listing(content.layers[0] ?? "")).toEqual(await listing(scratch.path("plain")));
      expect(await content.merged()).toBe(content.layers[0]);
    })(context),
  );

  it(
    "may lack its end, as umoci writes it, and may hold devices, which are omitted and counted",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const entries = [folder("./"), { name: "dev/sda", flag: "4" }, { name: "dev/null", flag: "3" }, file("f")];
      const archive = await scratch.write("t.tar", Buffer.concat(entries.map(entryBytes)).subarray(0, -500));
      await using store = await scratch.open();
      const image = await store.import(archive);
      expect(image.properties).toEqual({ devicesLeftOut: "2" });
      const content = await store.tree(image);
      const lines = content.kind === "layers" ? await listing(content.layers[0] ?? "") : [];
      expect(lines.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([". d", "./dev d", "./f f", ""]);
    }),
  );
});

describe("an archive of files with holes", () => {
  it.for([
    ["gnu", []],
    ["posix", ["--sparse-version=0.0"]],
    ["posix", ["--sparse-version=0.1"]],
    ["posix", ["--sparse-version=1.0"]],
  ] as const)("is unpacked with them: format %s %s", ([format, version], context) =>
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const tree = scratch.path("tree");
      await mkdir(tree);
      await writeFile(`${tree}/holes`, "begin");
      await truncate(`${tree}/holes`, 8 * 2 ** 20);
      await appendFile(`${tree}/holes`, "end");
      const archive = scratch.path("t.tar");
      await spawn(["tar", "-c", "--sparse", `--format=${format}`, ...version, "-f", archive, "-C", tree, "holes"]);
      expect((await stat(archive)).size).toBeLessThan(2 ** 20);
      await using store = await scratch.open();
      const content = await store.tree(await store.import(archive));
      const file = content.kind === "layers" ? `${content.layers[0]}/holes` : "";
      expect((await readFile(file)).equals(await readFile(`${tree}/holes`))).toBe(true);
      expect((await stat(file)).blocks * 512).toBeLessThan(2 ** 20);
    })(context),
  );
});

/** `$` stands for the folder with the canary. */
const HOSTILE: readonly (readonly [what: string, entries: readonly (RawEntry | Buffer)[], message: RegExp])[] = [
  ["a climbing name", [file("../../../../outside/canary")], /canary" leaves the root/],
  ["a hard link out", [hardLink("h", "$/canary"), file("h", "dead")], /"h" is a hard link to/],
  ["a hard link that climbs", [hardLink("h", "../../../../outside/canary")], /"h" leaves the root/],
  ["a hard link through a symlink", [symlinkTo("l", "$"), hardLink("h", "l/canary")], /"h" is a hard link to/],
  ["a bomb", [{ name: "big", size: 2 ** 32 }], /"big" goes beyond 1048576 bytes/],
  ["a bomb of entries", Array.from({ length: 101 }, (_, i) => file(`f${i}`)), /"f100" goes beyond 100 entries/],
  [
    "a broken checksum after good files",
    [file("good"), Buffer.alloc(512, "1")],
    /after "good" has a header with a wrong/,
  ],
  ["an archive cut off", [file("good"), entryBytes(file("cut", "y".repeat(600))).subarray(0, 700)], /"cut" is cut off/],
];

function symlinkTo(name: string, target: string): RawEntry {
  return { name, flag: "2", target };
}

describe("a hostile tar", () => {
  it.for<readonly [what: string, entries: readonly RawEntry[]]>([
    ["an absolute name", [file("$/canary", "dead")]],
    ["a write through a symlink", [symlinkTo("l", "$"), file("l/canary", "dead")]],
    ["a write through a climbing symlink", [symlinkTo("l", `${"../".repeat(20)}$`), file("l/canary", "dead")]],
    [
      "a write through a chain",
      [folder("d"), symlinkTo("d/l", ".."), symlinkTo("d/l/m", "$"), file("m/canary", "dead")],
    ],
    ["a symlink in a folder's place", [folder("d"), symlinkTo("d", "$"), file("d/canary", "dead")]],
    [
      "a folder that was a symlink",
      [symlinkTo("d", "$"), folder("d"), file("d/x"), symlinkTo("d", "$"), file("d/canary")],
    ],
  ])("with %s is unpacked in its own root, and reaches nothing outside", ([, entries], context) =>
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const at = (text: string | undefined) => text?.replace("$", scratch.path("outside"));
      const placed = entries.map((entry) => ({ ...entry, name: at(entry.name) ?? "", target: at(entry.target) ?? "" }));
      await using store = await scratch.open();
      const image = await store.import(await scratch.write("t.tar", tarBytes(...placed)));
      const content = await store.tree(image);
      const tree = content.kind === "layers" ? (content.layers[0] ?? "") : "";
      const found = (await listing(tree)).find((line) => line.startsWith(`.${scratch.path("outside")}/canary f`));
      expect(found).toBeDefined();
      expect(await scratch.outside()).toBe("canaryalive");
      expect((await listing(tree)).filter((line) => line.includes(".pileus-"))).toEqual([]);
    })(context),
  );

  it(
    "with an attribute that the file system cannot keep is refused by the attribute's name",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const long = paxBytes({ "SCHILY.xattr.user.long": "v".repeat(60_000) });
      await using store = await scratch.open();
      const archive = await scratch.write("t.tar", tarBytes(long, file("f")));
      const outcome = await store.import(archive).catch((reason: unknown) => reason);
      // What a file system keeps beside a file is from nothing to 64 KiB.
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(ImageError);
      if (outcome instanceof Error) expect(String(outcome)).toMatch(/the attribute user\.long of "f" cannot be kept/);
    }),
  );

  it.for(HOSTILE)(
    "with %s is refused by name, reaches nothing outside and leaves nothing",
    ([, entries, message], context) =>
      requires(NEEDS, async () => {
        await using scratch = await Scratch.make();
        const at = (text: string | undefined) => text?.replace("$", scratch.path("outside"));
        const placed = entries.map((entry) =>
          Buffer.isBuffer(entry) ? entry : { ...entry, name: at(entry.name) ?? "", target: at(entry.target) ?? "" },
        );
        const cut = placed.some((entry) => Buffer.isBuffer(entry) && entry.length % 512 !== 0);
        const archive = await scratch.write("t.tar", tarBytes(...placed).subarray(0, cut ? -1024 : undefined));
        await using store = await scratch.open({ limits: { bytes: 2 ** 20, entries: 100 } });
        const error = await store.import(archive).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ImageError);
        expect(String(error)).toMatch(message);
        expect(await scratch.outside()).toBe("canaryalive");
        expect(await scratch.remains()).toEqual([]);
      })(context),
  );

  it.for(["xz", "zstd"] as const)("is refused when its %s would take much memory", (compression, context) =>
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const plain = await scratch.write("plain.tar", tarBytes(file("f")));
      if (compression === "zstd") {
        // A stream of unknown length says how much of it must be kept.
        await spawn(["sh", "-c", 'zstd -q --long=28 < "$0" > "$1"', plain, scratch.path("t")]);
      } else {
        await spawn(["xz", "-k", plain]);
        const bytes = await readFile(`${plain}.xz`);
        // xz file format, 3.1 and 5.3.1: the first block's header, its LZMA2 filter's dictionary (37: 1.5 GiB), its
        // CRC.
        const end = 12 + ((bytes[12] ?? 0) + 1) * 4 - 4;
        bytes[bytes.indexOf(Buffer.from([0x21, 0x01]), 12) + 2] = 37;
        bytes.writeUInt32LE(crc32(bytes.subarray(12, end)), end);
        await scratch.write("t", bytes);
      }
      await using store = await scratch.open();
      const error = await store.import(scratch.path("t")).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ImageError);
      expect(String(error)).toContain(`its ${compression} data take too much memory`);
    })(context),
  );

  it.for(["gzip", "xz", "zstd"])("is refused when its %s is cut off or damaged", (compression, context) =>
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      await makeBusyboxRootfs(scratch.path("tree"));
      const archive = scratch.path("t");
      await spawn(["tar", "-c", `--${compression}`, "-f", archive, "-C", scratch.path("tree"), "."]);
      const bytes = await readFile(archive);
      const middle = Math.floor(bytes.length / 2);
      const damaged = Buffer.from(bytes).fill(0x55, middle, middle + 64);
      await using store = await scratch.open();
      for (const [name, content] of [
        ["cut", bytes.subarray(0, middle)],
        ["damaged", damaged],
      ] as const) {
        const error = await store.import(await scratch.write(name, content)).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ImageError);
        expect(await scratch.remains()).toEqual([]);
      }
    })(context),
  );
});
