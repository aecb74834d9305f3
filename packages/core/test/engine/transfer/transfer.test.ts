import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import {
  chmod,
  link,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packHostTree } from "../../../src/engine/transfer/pack-host-tree.ts";
import { unpackOnHost } from "../../../src/engine/transfer/unpack-on-host.ts";
import { packStream } from "../../../src/files/pack-stream.ts";
import { plainAccess } from "../../../src/files/plain-access.ts";
import { nativeFileCalls } from "../../../src/system/syscall.ts";
import type { TarEntry } from "../../../src/tar/entry.ts";
import { TarWriter } from "../../../src/tar/writer.ts";

let folder: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-transfer-"));
  target = join(folder, "target");
  await writeFile(join(folder, "outside"), "precious");
});
afterEach(() => rm(folder, { recursive: true }));

type Sent = Partial<TarEntry> & { readonly name: string; readonly content?: string };

/** What a guest might send. */
function tar(...entries: readonly Sent[]): Readable {
  const writer = new TarWriter();
  for (const { content = "", ...entry } of entries) {
    const defaults = {
      type: "file",
      target: "",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: "1000",
      xattrs: new Map(),
    } as const;
    const size = Buffer.byteLength(content);
    writer.entry({ ...defaults, size, ...entry });
    writer.data(Buffer.from(content));
  }
  writer.end();
  return Readable.from([writer.take()]);
}

const pull = (stream: Readable, signal?: AbortSignal) =>
  unpackOnHost(stream, { instance: "a", path: "/data", target }, { signal });

function expectOutsideUntouched() {
  expect(readFileSync(join(folder, "outside"), "utf8")).toBe("precious");
  expect(lstatSync(join(folder, "outside")).mode & 0o7777).toBe(0o644);
}

describe("what is pulled", () => {
  it("arrives with its content, modes and times; a folder's are set after what it holds", async () => {
    await pull(
      tar(
        { name: ".", type: "directory", mode: 0o750, mtime: "2000.5" },
        { name: "sub", type: "directory", mode: 0o500 },
        { name: "sub/file", content: "hello", mode: 0o640 },
        { name: "sub/link", type: "symlink", target: "../../x" },
        { name: "sub/hard", type: "link", target: "sub/file" },
      ),
    );
    expect(readFileSync(join(target, "sub/file"), "utf8")).toBe("hello");
    expect(readlinkSync(join(target, "sub/link"))).toBe("../../x");
    expect(lstatSync(join(target, "sub/hard")).ino).toBe(lstatSync(join(target, "sub/file")).ino);
    expect(lstatSync(target).mode & 0o777).toBe(0o750);
    expect(lstatSync(target).mtimeMs).toBe(2_000_500);
    expect(lstatSync(join(target, "sub")).mode & 0o777).toBe(0o500);
    expect(lstatSync(join(target, "sub/file"))).toMatchObject({ mtimeMs: 1_000_000 });
    await chmod(join(target, "sub"), 0o700);
  });

  it("has the attributes user.*, but no capabilities", async () => {
    const capability = Buffer.alloc(20);
    capability.writeUInt32LE(0x02000001, 0);
    const xattrs = new Map([
      ["user.a", "value"],
      ["security.capability", capability.toString("latin1")],
    ]);
    await pull(tar({ name: ".", content: "x", xattrs }));
    const { xattrNames } = nativeFileCalls();
    expect(xattrNames(Buffer.from(target)).filter((name) => name !== "security.selinux")).toEqual(["user.a"]);
  });

  it.each([
    ["a long name", [[`user.${"n".repeat(251)}`, ""]], "a name of 256 bytes"],
    ["a long value", [["user.a", "v".repeat(65_537)]], "65537 bytes"],
    ["very many", Array.from({ length: 1025 }, (_, i) => [`user.${i}`, ""]), "1025 extended attributes"],
    ["much in all", Array.from({ length: 9 }, (_, i) => [`user.${i}`, "v".repeat(65_000)]), "more than 524288"],
  ] as const)("is refused with attributes that no file has: %s", async (_what, xattrs, why) => {
    const sent = new Map(xattrs as readonly (readonly [string, string])[]);
    const refused = pull(tar({ name: ".", content: "x", xattrs: sent }));
    await expect(refused).rejects.toMatchObject({ code: "ERR_PROTOCOL", message: expect.stringContaining(why) });
    expect(existsSync(target)).toBe(false);
  });

  it("may describe a folder twice: the last entry counts", async () => {
    const sub = { name: "sub", type: "directory" as const };
    await pull(tar({ ...sub, mode: 0o700 }, { name: "sub/file", content: "x" }, { ...sub, mode: 0o750 }));
    expect(lstatSync(join(target, "sub")).mode & 0o777).toBe(0o750);
  });

  it("can be one file, at exactly the target, and replaces an existing one", async () => {
    await writeFile(target, "a longer old content");
    await pull(tar({ name: ".", content: "new" }));
    expect(readFileSync(target, "utf8")).toBe("new");
  });

  it("merges with an existing folder, and replaces a symlink rather than writing through it", async () => {
    await mkdir(target);
    await writeFile(join(target, "kept"), "kept");
    await symlink("../outside", join(target, "file"));
    await pull(tar({ name: "file", content: "new" }));
    expect((await readdir(target)).sort()).toEqual(["file", "kept"]);
    expect(lstatSync(join(target, "file")).isFile()).toBe(true);
    expectOutsideUntouched();
  });

  it("arrives where the symlinks on the way to the target lead", async () => {
    await mkdir(join(folder, "real"));
    await symlink("real", join(folder, "way"));
    await unpackOnHost(tar({ name: "a/f", content: "x" }), { instance: "a", path: "/", target: `${folder}/way/t` }, {});
    expect(readFileSync(join(folder, "real/t/a/f"), "utf8")).toBe("x");
  });

  it("has no setuid, setgid or sticky bit, no device and no fifo", async () => {
    await pull(
      tar(
        { name: "su", content: "x", mode: 0o6755 },
        { name: "d", type: "directory", mode: 0o3777 },
        { name: "null", type: "character" },
        { name: "disk", type: "block" },
        { name: "pipe", type: "fifo" },
      ),
    );
    expect((await readdir(target)).sort()).toEqual(["d", "su"]);
    expect(lstatSync(join(target, "su")).mode & 0o7777).toBe(0o755);
    expect(lstatSync(join(target, "d")).mode & 0o7777).toBe(0o777);
  });
});

describe("a hostile tree stays under the target:", () => {
  it.each([
    ["a name with ..", [{ name: "../outside", content: "evil" }]],
    ["a name with .. further in", [{ name: "a/../../outside", content: "evil" }]],
    ["an absolute name", [{ name: "/etc/evil", content: "evil" }]],
    ["a hard link to the outside", [{ name: "x", type: "link" as const, target: "../outside" }]],
    ["an empty name", [{ name: "", content: "evil" }]],
  ])("%s is refused", async (_, entries) => {
    await expect(pull(tar(...entries))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expectOutsideUntouched();
    expect(existsSync("/etc/evil")).toBe(false);
  });

  it.each([
    ["a file", { name: "way/outside", content: "evil" }],
    ["a folder", { name: "way/evil", type: "directory" as const }],
    ["a symlink", { name: "way/evil", type: "symlink" as const, target: "x" }],
    ["a hard link", { name: "way/evil", type: "link" as const, target: "file" }],
    ["the folder itself again", { name: "way", type: "directory" as const, mode: 0o777 }],
    ["a hard link from there", { name: "stolen", type: "link" as const, target: "way/outside" }],
  ])("%s through a symlink that it made is refused", async (_, last) => {
    const sent = tar({ name: "file", content: "x" }, { name: "way", type: "symlink", target: ".." }, last);
    await expect(pull(sent)).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect((await readdir(folder)).sort()).toEqual(["outside", "target"]);
    expectOutsideUntouched();
  });

  it("a hard link to a symlink, which would be followed later, is refused", async () => {
    const sent = tar(
      { name: "s", type: "symlink", target: "../outside" },
      { name: "h", type: "link", target: "s" },
      { name: "h", content: "evil" },
    );
    await expect(pull(sent)).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expectOutsideUntouched();
  });

  it("a file in the place of a folder, to swap it for a symlink, is refused", async () => {
    const sent = tar({ name: "d", type: "directory" }, { name: "d", type: "symlink", target: ".." });
    await expect(pull(sent)).rejects.toMatchObject({ code: "ERR_FILE", errno: "EISDIR" });
  });

  it("a file that replaces a symlink of the same name is written beside, not through it", async () => {
    await pull(tar({ name: "f", type: "symlink", target: "../outside" }, { name: "f", content: "evil" }));
    expect(lstatSync(join(target, "f")).isFile()).toBe(true);
    expectOutsideUntouched();
  });

  it.each([
    ["a symlink, then something beneath it", [{ type: "symlink" as const, target: "." }, { name: "evil" }]],
    ["a symlink, then a folder", [{ type: "symlink" as const, target: "." }, { type: "directory" as const }]],
    ["a folder, then a symlink", [{ type: "directory" as const }, { type: "symlink" as const, target: "." }]],
    ["a file, then something beneath it", [{ content: "x" }, { name: "evil" }]],
    ["a file, then a folder", [{ content: "x" }, { type: "directory" as const }]],
    ["a folder with content, then a file", [{ name: "sub/x" }, { content: "x" }]],
    ["a file twice", [{ content: "x" }, { content: "y" }]],
  ])("whose root is %s is refused", async (_, entries: readonly Partial<Sent>[]) => {
    const sent = entries.map((entry) => ({ name: ".", ...entry }));
    await expect(pull(tar(...sent))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect(existsSync(join(folder, "evil"))).toBe(false);
    expectOutsideUntouched();
  });

  it.each([
    ["with its root", [{ name: ".", type: "directory" as const, mode: 0o777 }, { name: "evil" }]],
    ["without its root", [{ name: "evil" }]],
    ["which is deep", [{ name: "a/b/c", type: "directory" as const }]],
  ])("a target that an earlier pull left as a symlink is not followed by a tree %s", async (_, entries) => {
    await mkdir(join(folder, "elsewhere"), { mode: 0o700 });
    await pull(tar({ name: ".", type: "symlink", target: "elsewhere" }));
    await expect(pull(tar(...entries))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect(readdirSync(join(folder, "elsewhere"))).toEqual([]);
    expect(lstatSync(join(folder, "elsewhere")).mode & 0o777).toBe(0o700);
  });

  it("a file replaces a target that is a symlink", async () => {
    await symlink("outside", target);
    await pull(tar({ name: ".", content: "new" }));
    expect(lstatSync(target).isFile()).toBe(true);
    expectOutsideUntouched();
  });

  it("a hard link to an existing file that was not sent is refused", async () => {
    await mkdir(target);
    await writeFile(join(target, "own"), "of the caller");
    const sent = tar({ name: "stolen", type: "link", target: "own" }, { name: "stolen", content: "evil" });
    await expect(pull(sent)).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect(await readdir(target)).toEqual(["own"]);
  });

  it("a stream without an entry is refused", async () => {
    await expect(pull(tar())).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
  });

  it("folders that another process swaps for symlinks meanwhile lead nowhere", async () => {
    const elsewhere = join(folder, "elsewhere");
    await mkdir(elsewhere);
    const swap = `for (const end = Date.now() + 20_000; Date.now() < end; ) try {
      require("fs").renameSync("target/way", "gone/" + Math.random());
      require("fs").symlinkSync("../elsewhere", "target/way");
      require("fs").unlinkSync("target/way");
    } catch {}`;
    await mkdir(join(folder, "gone"));
    const swapper = spawn(process.execPath, ["-e", swap], { cwd: folder, stdio: "ignore" });
    try {
      await once(swapper, "spawn");
      // On a slow machine, fewer rounds: until the other process ends.
      for (let round = 0; round < 40 && swapper.exitCode === null; round += 1) {
        const files = Array.from({ length: 20 }, (_, i) => [
          { name: "way", type: "directory" as const },
          { name: `way/sub${i}`, type: "directory" as const },
          { name: `way/sub${i}/file`, content: "evil" },
          { name: `way/link${i}`, type: "symlink" as const, target: "x" },
        ]);
        // Whether it gets through depends on who is faster.
        await pull(tar({ name: ".", type: "directory" }, ...files.flat())).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(FILE|PROTOCOL)$/) });
        });
        expect(readdirSync(elsewhere)).toEqual([]);
      }
    } finally {
      if (swapper.kill("SIGKILL")) await once(swapper, "exit");
    }
  }, 60_000);

  it("a stream that is not a tar, or breaks off, is refused", async () => {
    await expect(pull(Readable.from([Buffer.alloc(2048, 65)]))).rejects.toMatchObject({
      code: "ERR_PROTOCOL",
    });
    const whole: Buffer = (await tar({ name: "f", content: "x".repeat(5000) }).toArray())[0];
    const cut = Readable.from([whole.subarray(0, 2000)]);
    await expect(pull(cut)).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
  });
});

describe("a pull", () => {
  it("aborted rejects with the reason itself and ends the stream", async () => {
    const controller = new AbortController();
    const whole: Buffer = (await tar({ name: "f", content: "x".repeat(5000) }).toArray())[0];
    const stream = Readable.from(
      (async function* () {
        yield whole.subarray(0, 1024);
        controller.abort("enough");
        yield whole.subarray(1024);
      })(),
    );
    await expect(pull(stream, controller.signal)).rejects.toBe("enough");
    expect(stream.destroyed).toBe(true);
  });
});

describe("a pull of large files", () => {
  const MIB = 1024 * 1024;
  const files = () => packStream(plainAccess("/", nativeFileCalls()), join(folder, "source"), {});
  const content = { a: randomBytes(12 * MIB + 5), b: randomBytes(2 * MIB) };
  beforeEach(async () => {
    await mkdir(join(folder, "source"));
    for (const [name, bytes] of Object.entries(content)) await writeFile(join(folder, "source", name), bytes);
  });

  it("uses the memory of few chunks, again and again", async () => {
    const memory = new Set<ArrayBufferLike>();
    let large = 0;
    async function* watched() {
      for await (const chunk of files() as AsyncIterable<Buffer>) {
        if (chunk.length === MIB) {
          large += 1;
          memory.add(chunk.buffer);
        }
        yield chunk;
      }
    }
    await pull(Readable.from(watched()));
    expect(large).toBeGreaterThan(4);
    expect(memory.size).toBeLessThan(large);
    for (const [name, bytes] of Object.entries(content))
      expect(readFileSync(join(target, name)).equals(bytes)).toBe(true);
  });

  it("uses no chunk again that its reader keeps", async () => {
    const kept: Buffer[] = [];
    for await (const chunk of files()) kept.push(chunk);
    await pull(Readable.from(kept));
    for (const [name, bytes] of Object.entries(content))
      expect(readFileSync(join(target, name)).equals(bytes)).toBe(true);
  });
});

describe("a pull that ends in the middle of a file", () => {
  const cut = async (name: string): Promise<Readable> => {
    const whole: Buffer = (
      await tar({ name: ".", type: "directory" }, { name, content: "x".repeat(5000) }).toArray()
    )[0];
    return Readable.from([whole.subarray(0, 2000)]);
  };

  it("leaves nothing of a new file", async () => {
    await expect(pull(await cut("f"))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect(readdirSync(target)).toEqual([]);
  });

  it("keeps the file that it would replace, and all its names", async () => {
    await mkdir(target);
    await writeFile(join(target, "f"), "old");
    await link(join(target, "f"), join(target, "other"));
    await expect(pull(await cut("f"))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
    expect(readdirSync(target).sort()).toEqual(["f", "other"]);
    expect(readFileSync(join(target, "f"), "utf8")).toBe("old");
    await pull(tar({ name: ".", type: "directory" }, { name: "f", content: "new" }));
    expect(readFileSync(join(target, "f"), "utf8")).toBe("new");
    expect(readFileSync(join(target, "other"), "utf8")).toBe("old");
  });
});

describe("a pull of a stream that stalls", () => {
  it("is ended by an abort, with the reason itself", async () => {
    const controller = new AbortController();
    // Aborts once it is read.
    const stream = new Readable({ read: () => controller.abort("enough") });
    await expect(pull(stream, controller.signal)).rejects.toBe("enough");
    expect(stream.destroyed).toBe(true);
  });
});

describe("what is pushed", () => {
  async function pack(source: string, owner = {}) {
    const chunks: Buffer[] = [];
    for await (const chunk of packHostTree(source, owner)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  it("is the tree as GNU tar understands it: names, modes, times, requested owners, symlinks as links", async () => {
    const source = join(folder, "source");
    const long = "d".repeat(120);
    await mkdir(join(source, long), { recursive: true });
    await writeFile(join(source, "ünï"), "x".repeat(300_000));
    await writeFile(join(source, long, "f"), "");
    await chmod(join(source, "ünï"), 0o4711);
    await symlink("/nowhere", join(source, "link"));
    await link(join(source, "ünï"), join(source, "zweit"));
    execFileSync("mkfifo", [join(source, "pipe")]);
    await utimes(join(source, "ünï"), 5, 5.25);
    await lutimes(join(source, "link"), 7, 7);
    const archive = await pack(source, { uid: 3_000_000, gid: 5 });
    const listing = execFileSync("tar", ["--numeric-owner", "--full-time", "-tvf", "-"], {
      input: archive,
      encoding: "utf8",
      env: { LC_ALL: "C.UTF-8", TZ: "UTC", PATH: process.env["PATH"] },
    });
    const lines = listing.trim().split("\n");
    expect(lines.map((line) => line.split(/ +/).slice(5).join(" "))).toEqual([
      ".",
      long,
      `${long}/f`,
      "link -> /nowhere",
      "zweit",
      "ünï link to zweit",
    ]);
    expect(lines.at(-2)).toMatch(/^-rws--x--x 3000000\/5 +300000 1970-01-01 00:00:05.25 +zweit$/);
  });

  it("and pulled is the same", async () => {
    const source = join(folder, "source");
    await mkdir(join(source, "a/b"), { recursive: true });
    await writeFile(join(source, "a/b/c"), "content");
    await utimes(join(source, "a/b/c"), 5, 5.9996);
    await pull(Readable.from([await pack(source)]));
    expect(readFileSync(join(target, "a/b/c"), "utf8")).toBe("content");
    // To the millisecond, and of the second that it was.
    expect(Math.floor(lstatSync(join(target, "a/b/c")).mtimeMs / 1000)).toBe(5);
    expect(execFileSync("diff", ["-r", source, target], { encoding: "utf8" })).toBe("");
  });

  it("that does not exist is an error that names it", async () => {
    await expect(pack(join(folder, "ghost"))).rejects.toMatchObject({ code: "ERR_FILE", errno: "ENOENT" });
  });

  it("that shrinks while it is read is an error, not a padded file", async () => {
    const file = join(folder, "big");
    await writeFile(file, Buffer.alloc(2 * 1024 * 1024, 1));
    const chunks = packHostTree(file, {});
    await chunks.next();
    await truncate(file, 10);
    await expect(drain(chunks)).rejects.toMatchObject({ code: "ERR_FILE", errno: "EIO", path: file });
  });

  it("that is a device or a fifo is refused", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await expect(pack(join(folder, "pipe"))).rejects.toMatchObject({ code: "ERR_FILE", errno: "EINVAL" });
    await expect(pack("/dev/null")).rejects.toMatchObject({ errno: "EINVAL", path: "/dev/null" });
  });

  it("reports its progress within a large file, as a pull does", async () => {
    const file = join(folder, "large");
    await writeFile(file, Buffer.alloc(16 * 1024 * 1024, 1));
    const pushed: number[] = [];
    const pulled: number[] = [];
    const archive = packHostTree(file, { onProgress: ({ done }) => pushed.push(done) });
    const onProgress = ({ done }: { readonly done: number }) => pulled.push(done);
    await unpackOnHost(Readable.from(archive), { instance: "a", path: "/data", target }, { onProgress });
    for (const seen of [pushed, pulled]) {
      expect(seen.length).toBeGreaterThan(8);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBe(16 * 1024 * 1024);
    }
  });

  it("and pulled has its hard links, holes, nanoseconds, and names that are not UTF-8", async () => {
    const source = join(folder, "source");
    await mkdir(source);
    await writeFile(join(source, "a"), "content");
    await link(join(source, "a"), join(source, "b"));
    await truncate(join(source, "a"), 2 ** 30);
    await writeFile(Buffer.from(`${source}/\xff`, "latin1"), "x");
    execFileSync("touch", ["-d", "2001-02-03T04:05:06.123456789Z", join(source, "a")]);
    await pull(Readable.from([await pack(source)]));
    const stat = lstatSync(join(target, "a"), { bigint: true });
    expect(stat.ino).toBe(lstatSync(join(target, "b"), { bigint: true }).ino);
    expect(stat).toMatchObject({ size: 2n ** 30n, mtimeNs: 981_173_106_123_456_789n });
    expect(stat.blocks).toBeLessThan(200n);
    expect(readdirSync(target, "latin1")).toContain("\xff");
  });

  async function drain(chunks: AsyncIterable<unknown>) {
    for await (const _ of chunks);
  }
});
