import { rmdirSync, symlinkSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LocalFiles, plainAccess } from "../../src/files/index.ts";
import { listed, makeRoot, owner, write } from "./support/root.ts";

let root: string;
let files: LocalFiles;

beforeEach(async () => {
  ({ root, files } = await makeRoot());
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a tree that changes under the call", () => {
  it("never makes mkdir change the mode of a symlink's target", async () => {
    await writeFile(join(root, "secret"), "", { mode: 0o600 });
    const plain = plainAccess(root);
    const swapped = new LocalFiles({
      ...plain,
      create(path, as, make) {
        const made = plain.create(path, as, make);
        rmdirSync(path);
        symlinkSync(join(root, "secret"), path);
        return made;
      },
    });
    await expect(swapped.mkdir("/folder", owner)).rejects.toMatchObject({ errno: "ENOTDIR" });
    expect((await lstat(join(root, "secret"))).mode & 0o777).toBe(0o600);
  });
  it("fails only the write whose temporary file has become a folder", async () => {
    const { stream, done } = await files.write("/file", owner);
    const [temporary = ""] = await readdir(root);
    await rm(join(root, temporary));
    await mkdir(join(root, temporary));
    await writeFile(join(root, "file"), "old");
    stream.end("new");
    await expect(done).rejects.toMatchObject({ errno: "ENOTDIR" });
    expect(await readFile(join(root, "file"), "utf8")).toBe("old");
  });
});

describe("list", () => {
  it("lets other work proceed while it reads many entries", async () => {
    await Promise.all(Array.from({ length: 300 }, (_, index) => writeFile(join(root, `f${index}`), "")));
    let turns = 0;
    setImmediate(() => (turns += 1));
    expect(await listed(files, "/")).toHaveLength(300);
    expect(turns).toBe(1);
  });
});

describe("read", () => {
  it("fails as the contract says even when the failure occurs while the content is read", async () => {
    const stream = await new LocalFiles(plainAccess("/")).read("/proc/self/mem");
    await expect(text(stream)).rejects.toMatchObject({
      code: "ERR_FILE",
      errno: "EIO",
      path: "/proc/self/mem",
    });
  });
});

describe("write", () => {
  it("puts the file in place with the requested mode when the stream is finished", async () => {
    await write(files, "/file", "content", 0o640);
    expect(await readFile(join(root, "file"), "utf8")).toBe("content");
    expect((await files.stat("/file")).mode).toBe(0o640);
  });
  it("keeps owner and mode of the file that it replaces, unless others are given", async () => {
    await writeFile(join(root, "file"), "old");
    await chmod(join(root, "file"), 0o6751);
    const replace = async (options: { readonly mode?: number }) => {
      const { stream, done } = await files.write("/file", options);
      stream.end("new");
      await done;
      return await files.stat("/file");
    };
    expect(await replace({})).toMatchObject({ ...owner, mode: 0o6751 });
    expect(await replace({ mode: 0o640 })).toMatchObject({ ...owner, mode: 0o640 });
  });
  it("gives a new file or folder the tree's default owner, unless other ids are given", async () => {
    const asked: unknown[] = [];
    const plain = plainAccess(root);
    const note = <T>({ uid, gid }: { readonly uid: number; readonly gid: number }, make: () => T) => {
      asked.push([uid, gid]);
      return make();
    };
    const named = new LocalFiles(
      { ...plain, create: (_path, as, make) => note(as, make), createFile: note },
      { owner: async () => ({ uid: 3, gid: 4 }) },
    );
    await named.mkdir("/a");
    await named.mkdir("/b", { gid: 9 });
    const { stream, done } = await named.write("/f", { uid: 8 });
    stream.end();
    await done;
    expect(asked).toEqual([
      [3, 4],
      [3, 9],
      [8, 4],
    ]);
  });
  it("shows readers the old content until then", async () => {
    await write(files, "/file", "old");
    const { stream, done } = await files.write("/file", owner);
    stream.write("ne");
    expect(await text(await files.read("/file"))).toBe("old");
    stream.end("w");
    await done;
    expect(await text(await files.read("/file"))).toBe("new");
  });
  it("leaves the old content and no temporary file when the stream is destroyed", async () => {
    await write(files, "/file", "old");
    const { stream, done } = await files.write("/file", owner);
    stream.write("new");
    stream.destroy();
    await done;
    expect(await readdir(root)).toEqual(["file"]);
    expect(await readFile(join(root, "file"), "utf8")).toBe("old");
  });
  it("rejects with the reason of an abort, which leaves nothing", async () => {
    const controller = new AbortController();
    const { stream, done } = await files.write("/file", { ...owner, signal: controller.signal });
    stream.on("error", () => undefined);
    stream.write("new");
    controller.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    expect(await readdir(root)).toEqual([]);
  });
  it("writes the file that a symlink points to", async () => {
    await mkdir(join(root, "real"));
    await symlink("real/file", join(root, "link"));
    await write(files, "/link", "content");
    expect(await readFile(join(root, "real/file"), "utf8")).toBe("content");
    expect((await files.stat("/link")).target).toBe("real/file");
  });
  it("refuses symlinks that form a loop", async () => {
    await symlink("two", join(root, "one"));
    await symlink("one", join(root, "two"));
    await expect(files.write("/one", owner)).rejects.toMatchObject({ code: "ERR_FILE", errno: "ELOOP" });
  });
  it("refuses a folder with EISDIR, and a missing parent with ENOENT", async () => {
    await mkdir(join(root, "folder"));
    await expect(files.write("/folder", owner)).rejects.toMatchObject({ errno: "EISDIR", path: "/folder" });
    await expect(files.write("/", owner)).rejects.toMatchObject({ errno: "EISDIR" });
    await expect(files.write("/no/file", owner)).rejects.toMatchObject({ errno: "ENOENT" });
  });
});

describe("remove", () => {
  it("fails at a mount point with EBUSY, and does not enter it", async () => {
    const mounted = new LocalFiles({ ...plainAccess(root), isMountPoint: (_folder, name) => String(name) === "mnt" });
    await mkdir(join(root, "top/mnt"), { recursive: true });
    await writeFile(join(root, "top/mnt/kept"), "");
    await expect(mounted.remove("/top", { recursive: true })).rejects.toMatchObject({ errno: "EBUSY" });
    expect(await readdir(join(root, "top/mnt"))).toEqual(["kept"]);
    const machine = new LocalFiles(plainAccess("/"));
    await expect(machine.remove("/proc", { recursive: true })).rejects.toMatchObject({ errno: "EBUSY" });
  });
});

describe("stat and list", () => {
  it("describe what is there, and do not follow the last symlink", async () => {
    await write(files, "/b", "12345", 0o600);
    await symlink("/b", join(root, "a"));
    await mkdir(join(root, "c"));
    const entries = [...(await listed(files, "/"))].sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(entries.map(({ name, type, size, target }) => [name, type, type === "file" ? size : 0, target])).toEqual([
      ["a", "symlink", 0, "/b"],
      ["b", "file", 5, undefined],
      ["c", "directory", 0, undefined],
    ]);
    expect(entries[1]).toMatchObject({ mode: 0o600, ...owner });
  });
  it("name the path and the system's error", async () => {
    await expect(files.stat("/nothing")).rejects.toMatchObject({ errno: "ENOENT", path: "/nothing" });
    await write(files, "/file", "");
    await expect(files.list("/file")).rejects.toMatchObject({ errno: "ENOTDIR" });
  });
});

describe("mkdir and remove", () => {
  it("make parents and accept an existing folder only when asked", async () => {
    await expect(files.mkdir("/a/b", owner)).rejects.toMatchObject({ errno: "ENOENT" });
    await files.mkdir("/a/b/c", { ...owner, recursive: true, mode: 0o711 });
    await files.mkdir("/a/b/c", { ...owner, recursive: true });
    expect((await files.stat("/a/b/c")).mode).toBe(0o711);
    await expect(files.mkdir("/a", owner)).rejects.toMatchObject({ errno: "EEXIST" });
    await write(files, "/a/file", "");
    await expect(files.mkdir("/a/file", { ...owner, recursive: true })).rejects.toMatchObject({ errno: "EEXIST" });
  });
  it("remove a tree without following its symlinks, whatever bytes its names have", async () => {
    await mkdir(join(root, "outside"));
    await write(files, "/outside/kept", "");
    await mkdir(join(root, "tree/deep"), { recursive: true });
    await symlink("../outside", join(root, "tree/link"));
    await writeFile(Buffer.concat([Buffer.from(`${root}/tree/deep/`), Buffer.from([0xff, 0xfe])]), "");
    await expect(files.remove("/tree", {})).rejects.toMatchObject({ errno: "ENOTEMPTY" });
    await files.remove("/tree", { recursive: true });
    await files.remove("/tree", { recursive: true });
    expect(await readdir(root)).toEqual(["outside"]);
    expect(await readdir(join(root, "outside"))).toEqual(["kept"]);
    await expect(files.remove("/tree", {})).rejects.toMatchObject({ errno: "ENOENT" });
  });
});
