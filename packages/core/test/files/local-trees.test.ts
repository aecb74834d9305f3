import { once } from "node:events";
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalFiles, plainAccess } from "../../src/files/index.ts";
import { listed, makeRoot, owner, write } from "./support/root.ts";

let root: string;
let files: LocalFiles;

beforeEach(async () => {
  ({ root, files } = await makeRoot());
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function unpack(archive: Readable, path: string, signal?: AbortSignal): Promise<void> {
  const { stream, done } = await files.writeTree(path, { signal });
  await Promise.all([pipeline(archive, stream), done]);
}

describe("trees", () => {
  it("come out as they went in: files of any size, folders, symlinks, modes, times", async () => {
    await mkdir(join(root, "from/empty"), { recursive: true });
    const large = Buffer.alloc(3 * 1024 * 1024 + 7, "large ");
    await writeFile(join(root, "from/large"), large);
    await writeFile(join(root, `from/${"long".repeat(60)}`), "ünï");
    await chmod(join(root, "from/large"), 0o4711);
    await utimes(join(root, "from/large"), 1e9, 1e9);
    await utimes(join(root, "from/empty"), 2e9, 2e9);
    await symlink("/nowhere", join(root, "from/link"));
    await unpack(await files.readTree("/from"), "/to");
    expect((await listed(files, "/to")).map(({ name }) => name)).toEqual(
      (await listed(files, "/from")).map(({ name }) => name),
    );
    expect(large.equals(await readFile(join(root, "to/large")))).toBe(true);
    expect(await files.stat("/to/large")).toMatchObject({ mode: 0o4711, mtime: 1e12 });
    expect(await files.stat("/to/empty")).toMatchObject({ mtime: 2e12 });
    expect(await files.stat("/to/link")).toMatchObject({ target: "/nowhere" });
    expect(await readFile(join(root, `to/${"long".repeat(60)}`), "utf8")).toBe("ünï");
  });
  it('of a single file have one entry, named "."', async () => {
    await write(files, "/file", "content");
    const reader = extract();
    const names: string[] = [];
    reader.on("entry", (header, stream, next) => {
      names.push(header.name);
      stream.resume();
      next();
    });
    await pipeline(await files.readTree("/file"), reader);
    expect(names).toEqual(["."]);
    await unpack(await files.readTree("/file"), "/copy");
    expect(await readFile(join(root, "copy"), "utf8")).toBe("content");
  });
  it("leave a folder that exists as it is, and a symlink to one in its place", async () => {
    await mkdir(join(root, "usr/lib"), { recursive: true, mode: 0o700 });
    await symlink("usr/lib", join(root, "lib"));
    await unpack(archive([{ name: "lib", type: "directory", mode: 0o755 }, { name: "lib/new" }]), "/");
    expect((await files.stat("/lib")).type).toBe("symlink");
    expect((await files.stat("/usr/lib")).mode).toBe(0o700);
    expect(await readdir(join(root, "usr/lib"))).toEqual(["new"]);
  });
  it("replace a symlink by a file instead of writing through it", async () => {
    await write(files, "/victim", "kept");
    await symlink("victim", join(root, "entry"));
    await unpack(archive([{ name: "entry" }]), "/");
    expect(await readFile(join(root, "victim"), "utf8")).toBe("kept");
    expect((await lstat(join(root, "entry"))).isFile()).toBe(true);
  });
  it.each(["../up", "/absolute", "a/../../up", ".."])("refuse the name %j", async (name) => {
    const { stream, done } = await files.writeTree("/", {});
    stream.on("error", () => undefined);
    archive([{ name }]).pipe(stream);
    await expect(done).rejects.toMatchObject({ code: "ERR_FILE" });
    expect(await readdir(root)).toEqual([]);
  });
  it("refuse a hard link to a file that was there before", async () => {
    await write(files, "/secret", "kept");
    const { stream, done } = await files.writeTree("/");
    stream.on("error", () => undefined);
    archive([{ name: "name", type: "link", linkname: "secret" }]).pipe(stream);
    await expect(done).rejects.toThrow(/hard link to what was not sent before it/);
    expect((await lstat(join(root, "secret"))).nlink).toBe(1);
    expect(await readdir(root)).toEqual(["secret"]);
  });
  it.each([
    ["a file twice", [{ name: "." }, { name: "." }]],
    ["a file and what is in it", [{ name: "." }, { name: "below" }]],
    ["a file and then a folder", [{ name: "." }, { name: ".", type: "directory" }]],
    ["a folder and then a file", [{ name: "below" }, { name: "." }]],
  ] as const)("refuse a root that is %s", async (_, entries) => {
    const { stream, done } = await files.writeTree("/to");
    stream.on("error", () => undefined);
    archive(entries).pipe(stream);
    await expect(done).rejects.toMatchObject({
      errno: "EINVAL",
      message: expect.stringContaining("the root of a tree is one thing"),
    });
  });
  it("refuse devices", async () => {
    const { stream, done } = await files.writeTree("/", {});
    stream.on("error", () => undefined);
    archive([{ name: "null", type: "character-device" }]).pipe(stream);
    await expect(done).rejects.toMatchObject({ errno: "EINVAL" });
  });
  it("refuse a header that claims more names than a real one needs", async () => {
    const bomb = await buffer(archive([{ name: "x".repeat(8 * 1024 * 1024) }]));
    const { stream, done } = await files.writeTree("/", {});
    stream.on("error", () => undefined);
    Readable.from(slices(bomb)).pipe(stream);
    await expect(done).rejects.toMatchObject({ errno: "EFBIG" });
  });
  it("end with a FileError when the archive is cut short", async () => {
    const whole = await buffer(archive([{ name: "file", content: "x".repeat(2000) }]));
    const { stream, done } = await files.writeTree("/", {});
    stream.on("error", () => undefined);
    stream.end(whole.subarray(0, 1024));
    await expect(done).rejects.toMatchObject({ code: "ERR_FILE", errno: "EINVAL" });
    expect(await readdir(root)).toEqual([]);
  });
  it("end with the reason of an abort, and leave nothing of the file under way", async () => {
    const whole = await buffer(
      archive([
        { name: "first", content: "kept" },
        { name: "file", content: "x".repeat(9000) },
      ]),
    );
    const controller = new AbortController();
    const reason = new Error("enough");
    const before = (await readdir("/proc/self/fd")).length;
    const { stream, done } = await files.writeTree("/", { signal: controller.signal });
    await new Promise((resolve) => stream.write(whole.subarray(0, 4096), resolve));
    controller.abort(reason);
    await expect(done).rejects.toBe(reason);
    expect(await readdir(root)).toEqual(["first"]);
    await expect.poll(async () => (await readdir("/proc/self/fd")).length, WAIT).toBeLessThanOrEqual(before);
  });
  it("leave nothing of the file under way when the stream is destroyed while it is written", async () => {
    const whole = await buffer(archive([{ name: "file", content: "x".repeat(1024 * 1024) }]));
    const { stream, done } = await files.writeTree("/", {});
    stream.write(whole.subarray(0, 900_000));
    stream.destroy();
    await expect(done).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    expect(await readdir(root)).toEqual([]);
  });
  it.each([1, 511, 4096])("take an archive in pieces of %i bytes", async (piece) => {
    await mkdir(join(root, "from/ünï"), { recursive: true });
    await writeFile(join(root, "from/ünï", "☁".repeat(80)), "x".repeat(1500));
    await writeFile(join(root, "from/empty"), "");
    await symlink("ünï", join(root, "from/link"));
    const whole = await buffer(await files.readTree("/from"));
    const pieces = Array.from({ length: Math.ceil(whole.length / piece) }, (_, i) =>
      whole.subarray(i * piece, (i + 1) * piece),
    );
    await unpack(Readable.from(pieces), "/to");
    expect(await readdir(join(root, "to"))).toEqual(["empty", "link", "ünï"]);
    expect(await readFile(join(root, "to/link", "☁".repeat(80)), "utf8")).toBe("x".repeat(1500));
  });
  it("take an archive that comes in one chunk of megabytes", async () => {
    await mkdir(join(root, "from"));
    for (const name of ["a", "b", "c"]) await writeFile(join(root, "from", name), Buffer.alloc(1024 * 1024, name));
    await unpack(Readable.from([await buffer(await files.readTree("/from"))]), "/to");
    expect(await readFile(join(root, "to/c"), "utf8")).toBe("c".repeat(1024 * 1024));
  });
  it("close their folder when they are not read", async () => {
    const { access, open } = counted();
    const stream = await new LocalFiles(access).readTree("/");
    expect(open()).toBe(1);
    const closed = once(stream, "close");
    stream.destroy();
    await closed;
    expect(open()).toBe(0);
  });
  it("close the folder of a name that is too long", async () => {
    const { access, open } = counted();
    const name = `/${"a".repeat(300)}`;
    await expect(new LocalFiles(access).write(name, owner)).rejects.toMatchObject({ errno: "ENAMETOOLONG" });
    expect(open()).toBe(0);
  });
  it("close their files when the reader stops in the middle", async () => {
    await writeFile(join(root, "large"), Buffer.alloc(8 * 1024 * 1024));
    const before = (await readdir("/proc/self/fd")).length;
    const stream = await files.readTree("/large");
    for await (const _ of stream) break;
    expect(stream.destroyed).toBe(true);
    await expect.poll(async () => (await readdir("/proc/self/fd")).length, WAIT).toBeLessThanOrEqual(before);
  });
});

describe("an archive with a negative size", () => {
  it("is refused", async () => {
    // ustar, with the size in base 256 as GNU tar writes large ones: here a negative one.
    const header = Buffer.alloc(512);
    for (const [text, at] of [
      ["file", 0],
      ["0000644", 100],
      ["0000000", 108],
      ["0000000", 116],
    ] as const)
      header.write(text, at);
    header.fill(0xff, 124, 136).writeUInt8(0xf0, 135);
    header.write("00000000000", 136);
    header.write("0", 156);
    header.write("ustar\x0000", 257);
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const { stream, done } = await files.writeTree("/");
    stream.on("error", () => undefined);
    stream.write(Buffer.concat([header, Buffer.alloc(4096)]));
    await expect(done).rejects.toMatchObject({ errno: "EINVAL" });
  });
});

/** Access to the root that counts the folders that are open. */
function counted() {
  const plain = plainAccess(root);
  let open = 0;
  const openFolder = (path: string) => {
    const folder = plain.openFolder(path);
    open += 1;
    const close = () => {
      open -= 1;
      folder[Symbol.dispose]();
    };
    return { ...folder, [Symbol.dispose]: close };
  };
  return { access: { ...plain, openFolder }, open: () => open };
}

/** For what Node does in its own time. */
const WAIT = { timeout: 10_000 };

interface Entry {
  readonly name: string;
  readonly type?: "file" | "directory" | "link" | "character-device";
  readonly mode?: number;
  readonly content?: string;
  readonly linkname?: string;
}

function archive(entries: readonly Entry[]): Readable {
  const tar = pack();
  for (const { name, type = "file", mode = 0o644, content = "", linkname = null } of entries) {
    tar.entry({ name, type, mode, linkname, ...owner }, type === "file" ? content : undefined);
  }
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
