import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalFiles, plainAccess } from "../../src/files/index.ts";
import { nativeFileCalls } from "../../src/system/syscall.ts";
import { TarWriter } from "../../src/tar/writer.ts";
import { makeRoot, owner } from "./support/root.ts";

let root: string;
let files: LocalFiles;

beforeEach(async () => {
  ({ root } = await makeRoot());
  files = new LocalFiles(plainAccess(root, nativeFileCalls()));
  await mkdir(join(root, "from"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function copy(from: string, to: string): Promise<void> {
  const { stream, done } = await files.writeTree(to);
  await Promise.all([pipeline(await files.readTree(from), stream), done]);
}

const at = (path: string) => join(root, path);
const bytes = (path: string) => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);

describe("a tree that is read and written", () => {
  const { setXattr, xattr, xattrNames } = nativeFileCalls();

  it("keeps the attributes user.* of files and folders, and nothing else", async () => {
    mkdirSync(at("from/sub"));
    writeFileSync(at("from/file"), "content");
    for (const name of ["sub", "file"]) setXattr(bytes(`from/${name}`), "user.a", Buffer.from([0, 255, 61, 10]));
    // Read-only for its owner: attributes come before the mode.
    await chmod(at("from/file"), 0o400);
    await chmod(at("from/sub"), 0o500);
    await copy("/from", "/to");
    for (const name of ["sub", "file"]) {
      expect(xattr(bytes(`to/${name}`), "user.a")).toEqual(Buffer.from([0, 255, 61, 10]));
      expect(statSync(at(`to/${name}`))).toMatchObject({ mode: statSync(at(`from/${name}`)).mode });
      expect(statSync(at(`to/${name}`)).mtimeMs).toBe(statSync(at(`from/${name}`)).mtimeMs);
    }
    for (const name of ["from/sub", "to/sub"]) await chmod(at(name), 0o700);
  });

  it("copies only attributes that may travel, and sets them on what it created", async () => {
    mkdirSync(at("to"));
    const writer = new TarWriter();
    const facts = { target: "", mode: 0o700, uid: owner.uid, gid: owner.gid, mtime: "0", size: 0 };
    const xattrs = new Map(
      ["user.a", "trusted.a", "security.selinux", "system.posix_acl_access", "user.", "user.\0b", "users.a"].map(
        (name) => [name, "value"] as const,
      ),
    );
    for (const name of [".", "sub"]) writer.entry({ ...facts, name, type: "directory", xattrs });
    writer.entry({ ...facts, name: "link", type: "symlink", target: "sub", xattrs });
    writer.entry({ ...facts, name: "file", type: "file", xattrs });
    writer.end();
    const { stream, done } = await files.writeTree("/to");
    stream.end(writer.take());
    await done;
    const names = (path: string) => xattrNames(bytes(path)).filter((name) => name !== "security.selinux");
    expect(["to", "to/link", "to/sub", "to/file"].map(names)).toEqual([[], [], ["user.a"], ["user.a"]]);
  });

  it("omits attributes that the file system does not support, and reports any other failure", async () => {
    setXattr(bytes("from"), "user.a", Buffer.from("x"));
    const calls = nativeFileCalls();
    files = new LocalFiles(plainAccess(root, { ...calls, setXattr: () => false }));
    await copy("/from", "/to");
    const full = Object.assign(new Error("setxattr: ENOSPC"), { code: "ENOSPC" });
    files = new LocalFiles(
      plainAccess(root, {
        ...calls,
        setXattr: () => {
          throw full;
        },
      }),
    );
    await expect(copy("/from", "/other")).rejects.toMatchObject({ errno: "ENOSPC" });
  });

  it("fails with E2BIG for a file with too many attributes, and stops reading them", async () => {
    let read = 0;
    const names = Array.from({ length: 5000 }, (_, i) => `user.${i}`);
    const xattr = () => {
      read += 1;
      return Buffer.alloc(65_536);
    };
    files = new LocalFiles(plainAccess(root, { ...nativeFileCalls(), xattrNames: () => names, xattr }));
    await expect(copy("/from", "/to")).rejects.toMatchObject({
      errno: "E2BIG",
      message: expect.stringContaining("more than 524288"),
    });
    expect(read).toBe(8);
  });

  it("keeps hard links, in whatever folders they are", async () => {
    mkdirSync(at("from/a/b"), { recursive: true });
    writeFileSync(at("from/a/b/file"), "content");
    for (const other of ["from/a/second", "from/z"]) linkSync(at("from/a/b/file"), at(other));
    writeFileSync(at("from/single"), "content");
    await copy("/from", "/to");
    const inode = statSync(at("to/a/b/file")).ino;
    expect([statSync(at("to/a/second")).ino, statSync(at("to/z")).ino]).toEqual([inode, inode]);
    expect(statSync(at("to/single")).ino).not.toBe(inode);
    expect(statSync(at("to/z")).nlink).toBe(3);
  });

  it("keeps holes, and moves only the data between them", async () => {
    const size = 2 ** 31 + 5;
    const fd = openSync(at("from/holes"), "w");
    writeSync(fd, "middle", 2 ** 30);
    ftruncateSync(fd, size);
    closeSync(fd);
    writeFileSync(at("from/after"), "dense");
    const { length } = await buffer(await files.readTree("/from"));
    expect(length).toBeLessThan(2 ** 20);
    await copy("/from", "/to");
    expect(statSync(at("to/holes"))).toMatchObject({ size });
    expect(statSync(at("to/holes")).blocks).toBeLessThan(2000);
    const text = Buffer.alloc(6);
    const copied = openSync(at("to/holes"), "r");
    readSync(copied, text, 0, 6, 2 ** 30);
    closeSync(copied);
    expect(text.toString()).toBe("middle");
    expect(readFileSync(at("to/after"), "utf8")).toBe("dense");
  });

  it("has parts of whole blocks, wherever the file system says that holes begin and end", async () => {
    const fd = openSync(at("from/file"), "w");
    ftruncateSync(fd, 200_001);
    writeSync(fd, "first", 100_007);
    writeSync(fd, "second", 150_001);
    closeSync(fd);
    const data = [
      { offset: 100_007, length: 5 },
      { offset: 150_001, length: 6 },
    ];
    const nextData = (_fd: number, from: number) => data.find(({ offset, length }) => from < offset + length);
    files = new LocalFiles(plainAccess(root, { ...nativeFileCalls(), nextData }));
    await copy("/from", "/to");
    expect(readFileSync(at("to/file")).equals(readFileSync(at("from/file")))).toBe(true);
  });

  it("keeps names and targets of symlinks that are not UTF-8", async () => {
    mkdirSync(bytes("from/\xe8"));
    writeFileSync(bytes("from/\xe8/\xff"), "one");
    writeFileSync(bytes("from/\xe9"), "other");
    symlinkSync(Buffer.from("\xfe", "latin1"), bytes("from/link"));
    await copy("/from", "/to");
    expect(readdirSync(at("to"), "latin1").sort()).toEqual(["link", "\xe8", "\xe9"]);
    expect(readFileSync(bytes("to/\xe8/\xff"), "utf8")).toBe("one");
    expect(readFileSync(bytes("to/\xe9"), "utf8")).toBe("other");
    expect(readlinkSync(at("to/link"), "latin1")).toBe("\xfe");
  });

  it("keeps times to the nanosecond, of files, folders and symlinks, also before the epoch", async () => {
    const calls = nativeFileCalls();
    const times = { file: 1_234_567_890_123_456_789n, old: -1_500_000_001n, sub: 987_654_321_000_000_001n, link: 5n };
    writeFileSync(at("from/file"), "x");
    writeFileSync(at("from/old"), "");
    mkdirSync(at("from/sub"));
    symlinkSync("x", at("from/link"));
    for (const [name, time] of Object.entries(times)) calls.setTime(Buffer.from(at(`from/${name}`)), time);
    await copy("/from", "/to");
    for (const [name, time] of Object.entries(times))
      expect(lstatSync(at(`to/${name}`), { bigint: true }).mtimeNs, name).toBe(time);
  });

  it("keeps the modes of folders, the read-only ones too", async () => {
    mkdirSync(at("from/sub/deep"), { recursive: true });
    writeFileSync(at("from/sub/deep/file"), "x");
    await chmod(at("from/sub/deep"), 0o500);
    await chmod(at("from/sub"), 0o2751);
    await copy("/from", "/to");
    expect(statSync(at("to/sub")).mode & 0o7777).toBe(0o2751);
    expect(statSync(at("to/sub/deep")).mode & 0o7777).toBe(0o500);
    for (const tree of ["from", "to"]) await chmod(at(`${tree}/sub/deep`), 0o700);
  });

  it("has the whole content of files that do not state their size", async () => {
    const system = new LocalFiles(plainAccess("/"));
    for (const path of ["/proc/cpuinfo", "/sys/class/net/lo/mtu", "/proc/self/cmdline", "/proc/sys/kernel/ostype"]) {
      const { stream, done } = await files.writeTree("/copy");
      await Promise.all([pipeline(await system.readTree(path), stream), done]);
      const masked = (text: string) => text.replace(/^(cpu MHz|bogomips).*$/gm, "");
      expect(masked(readFileSync(at("copy"), "utf8")), path).toBe(masked(readFileSync(path, "utf8")));
    }
  });

  it("fails with EFBIG at a file that does not state its size and does not end within 16 MiB", async () => {
    const system = new LocalFiles(plainAccess("/"));
    const tree = await system.readTree(`/proc/${process.pid}/pagemap`);
    const read = buffer(tree).then(({ length }) => length);
    await expect(read).rejects.toMatchObject({ code: "ERR_FILE", errno: "EFBIG" });
  });

  it("fails with EIO when a file shrinks while it is read, and leaves no part behind", async () => {
    writeFileSync(at("from/file"), Buffer.alloc(8 * 2 ** 20, 1));
    const stream = await files.readTree("/from");
    await once(stream, "readable");
    truncateSync(at("from/file"), 2 ** 20);
    const written = await files.writeTree("/to");
    await expect(pipeline(stream, written.stream)).rejects.toMatchObject({ errno: "EIO", path: "/from/file" });
    await written.done.catch(() => undefined);
    expect(readdirSync(at("to"))).toEqual([]);
  });

  it("omits what vanishes or changes its type meanwhile", async () => {
    for (let i = 0; i < 500; i += 1) writeFileSync(at(`from/${String(i).padStart(4, "0")}`), "x".repeat(5000));
    mkdirSync(at("from/z-folder"));
    const stream = await files.readTree("/from");
    await once(stream, "readable");
    for (let i = 300; i < 500; i += 1) unlinkSync(at(`from/0${i}`));
    mkdirSync(at("from/0400"));
    symlinkSync("0000", at("from/0401"));
    const socket = createServer().listen(at("from/0402"));
    await once(socket, "listening");
    rmSync(at("from/z-folder"), { recursive: true });
    const written = await files.writeTree("/to");
    await Promise.all([pipeline(stream, written.stream), written.done]).finally(() => socket.close());
    const arrived = readdirSync(at("to"));
    expect(arrived).toContain("0000");
    for (const name of ["0400", "0401", "0402", "0499", "z-folder"]) expect(arrived).not.toContain(name);
  });

  it("has what is beside a folder that vanishes while it is read", async () => {
    mkdirSync(at("from/a"));
    writeFileSync(at("from/b"), "beside");
    const calls = nativeFileCalls();
    let folders = 0;
    const xattrNames = (target: number | Buffer) => {
      if (typeof target !== "number") folders += 1;
      if (folders === 2) {
        folders += 1;
        throw Object.assign(new Error("gone"), { code: "ENOENT" });
      }
      return calls.xattrNames(target);
    };
    files = new LocalFiles(plainAccess(root, { ...calls, xattrNames }));
    await copy("/from", "/to");
    expect(readdirSync(at("to"))).toEqual(["b"]);
    expect(readFileSync(at("to/b"), "utf8")).toBe("beside");
  });

  it("is refused when it is a fifo, a socket or a device", async () => {
    execFileSync("mkfifo", [at("pipe")]);
    await expect(files.readTree("/pipe")).rejects.toMatchObject({ code: "ERR_FILE", errno: "EINVAL" });
    const system = new LocalFiles(plainAccess("/"));
    await expect(system.readTree("/dev/null")).rejects.toMatchObject({ errno: "EINVAL" });
  });

  it("omits a fifo within it", async () => {
    execFileSync("mkfifo", [at("from/pipe")]);
    await copy("/from", "/to");
    expect(readdirSync(at("to"))).toEqual([]);
  });

  it("does not replace a folder by a file, and leaves no temporary file", async () => {
    await writeFile(at("from/name"), "x");
    await mkdir(at("to/name/kept"), { recursive: true });
    await expect(copy("/from", "/to")).rejects.toMatchObject({ code: "ERR_FILE", errno: "EISDIR" });
    expect(readdirSync(at("to"))).toEqual(["name"]);
    expect(readdirSync(at("to/name"))).toEqual(["kept"]);
  });

  it.each([
    ["has no name", nativeFileCalls()],
    ["has a temporary name", undefined],
  ])("leaves no part of a file whose place a new folder takes while it arrives and %s", async (_, calls) => {
    files = new LocalFiles(plainAccess(root, calls));
    writeFileSync(at("from/name"), Buffer.alloc(300_000, 1));
    const archive = await buffer(await files.readTree("/from"));
    const { stream, done } = await files.writeTree("/to");
    stream.on("error", () => undefined);
    await new Promise((resolve) => stream.write(archive.subarray(0, 100_000), resolve));
    mkdirSync(at("to/name"));
    stream.end(archive.subarray(100_000));
    await expect(done).rejects.toMatchObject({ code: "ERR_FILE", errno: "EISDIR" });
    expect(readdirSync(at("to"))).toEqual(["name"]);
  });

  it("can nest folders far beyond the longest path, with few descriptors", async () => {
    const make = `for (let i = 0; i < 2500; i++) { fs.mkdirSync("d"); process.chdir("d"); } fs.writeFileSync("deepest", "x");`;
    execFileSync(process.execPath, ["-e", make], { cwd: at("from") });
    const copied = await watched(() => copy("/from", "/to"));
    expect(copied.turns).toBeGreaterThan(20);
    expect(copied.descriptors).toBeLessThan(200);
    const found = execFileSync("find", [at("to"), "-name", "deepest", "-printf", "%d"], { encoding: "utf8" });
    expect(found).toBe("2501");
    for (const tree of ["/from", "/to"]) {
      const removed = await watched(() => files.remove(tree, { recursive: true }));
      expect(removed.turns).toBeGreaterThan(20);
      expect(removed.descriptors).toBeLessThan(200);
    }
    expect(readdirSync(root)).toEqual([]);
  }, 60_000);

  it("lets other work proceed while a file of very many parts arrives", async () => {
    const parts = Array.from({ length: 20_000 }, (_, part) => ({ offset: 1024 * part, length: 512 }));
    const archive = packed((writer) => {
      writer.entry({ ...FILE, name: ".", size: 1024 * parts.length, sparse: parts });
      writer.data(Buffer.alloc(512 * parts.length, "x"));
    });
    const written = await watched(() => unpack(archive, "/to"));
    expect(written.turns).toBeGreaterThan(100);
    const expected = Buffer.alloc(1024 * parts.length, "x".repeat(512) + "\0".repeat(512));
    expect(readFileSync(at("to")).equals(expected)).toBe(true);
  });

  it("lets other work proceed while one name leads through thousands of folders, and the next one back", async () => {
    const archive = packed((writer) => {
      writer.entry({ ...FILE, name: ".", type: "directory", mode: 0o755 });
      for (const name of [`${"d/".repeat(2500)}deepest`, "beside"]) writer.entry({ ...FILE, name });
    });
    const { stream, done } = await files.writeTree("/to");
    // The way back from the last name is not what is asked about: it is the end's.
    const written = await watched(() => new Promise((resolve) => stream.write(archive, resolve)));
    expect(written.turns).toBeGreaterThan(20);
    stream.end();
    await done;
    expect(readdirSync(at("to")).sort()).toEqual(["beside", "d"]);
    await files.remove("/to", { recursive: true });
  }, 60_000);

  it("is refused with ENAMETOOLONG when no archive could name what is in it", async () => {
    const make = `const d = "d".repeat(250); for (let i = 0; i < 300; i++) { fs.mkdirSync(d); process.chdir(d); }`;
    execFileSync(process.execPath, ["-e", make], { cwd: at("from") });
    await expect(buffer(await files.readTree("/from"))).rejects.toMatchObject({ errno: "ENAMETOOLONG" });
    await files.remove("/from", { recursive: true });
  });
});

const FILE = {
  type: "file",
  target: "",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: "1000",
  size: 0,
  xattrs: new Map(),
} as const;

function packed(write: (writer: TarWriter) => void): Buffer {
  const writer = new TarWriter();
  write(writer);
  writer.end();
  return writer.take();
}

async function unpack(archive: Buffer, path: string): Promise<void> {
  const { stream, done } = await files.writeTree(path);
  stream.end(archive);
  await done;
}

/** How often others got their turn meanwhile, and how many descriptors were open at most beyond those before. */
async function watched(work: () => Promise<unknown>): Promise<{ turns: number; descriptors: number }> {
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  const seen = { turns: 0, descriptors: 0 };
  let over = false;
  const done = work().finally(() => {
    over = true;
  });
  while (!over) {
    await setImmediate();
    seen.turns += 1;
    // Not each time: it takes longer than the work of a turn.
    if (seen.turns % 64 === 0) seen.descriptors = Math.max(seen.descriptors, open() - before);
  }
  await done;
  return seen;
}
