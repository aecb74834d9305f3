import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import {
  appendFile,
  chmod,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../../flow/abortable.ts";
import { nativeFileCalls } from "../../system/syscall.ts";
import { noise, rejectsExactly, rejectsWith } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";
import { lookAt, makeTree, treeTests } from "../kit/tree-test.ts";
import { facts, fails } from "./files.ts";

/** Chapter: push and pull of trees. */
export function describeTrees(fixture: Fixture): void {
  const it = treeTests(fixture);

  fixture.describe("push and pull", () => {
    it("give what arrives its owner, also in a folder with the setgid bit", async ({ files }, host) => {
      const { uid, gid } = fixture.account;
      await mkdir(join(host, "tree"), { mode: 0o755 });
      await writeFile(join(host, "tree/f"), "", { mode: 0o644 });
      await symlink("f", join(host, "tree/l"));
      await files.mkdir("/srv/kit/g", { gid, mode: 0o2775 });
      for (const owner of [
        { uid: 0, gid: 0 },
        { uid, gid: 0 },
      ]) {
        await files.push(join(host, "tree"), "/srv/kit/g/tree", owner);
        const seen = [await files.stat("/srv/kit/g/tree"), ...(await files.listAll("/srv/kit/g/tree"))];
        const types = ["directory", "file", "symlink"];
        assert.deepEqual(
          seen.map((of) => ({ type: of.type, uid: of.uid, gid: of.gid })),
          types.map((type) => ({ type, ...owner })),
        );
        await files.remove("/srv/kit/g/tree", { recursive: true });
      }
    });
    it("bring a folder there and back, byte for byte", async ({ files }, host) => {
      await makeTree(join(host, "tree"));
      await files.push(join(host, "tree"), "/srv/kit/tree");
      await files.pull("/srv/kit/tree", join(host, "back"));
      assert.deepEqual(await lookAt(join(host, "back")), await lookAt(join(host, "tree")));
    });
    it("bring a single file there and back", async ({ files }, host) => {
      const bytes = noise(100_003);
      await writeFile(join(host, "f"), bytes);
      await chmod(join(host, "f"), 0o640);
      await files.push(join(host, "f"), "/srv/kit/other name");
      assert.equal((await files.stat("/srv/kit/other name")).mode, 0o640);
      await files.pull("/srv/kit/other name", join(host, "back"));
      assert.ok((await readFile(join(host, "back"))).equals(bytes));
    });
    it("give what arrives inside to root, or to the requested owner", async ({ files }, host) => {
      const { uid, gid } = fixture.account;
      await makeTree(join(host, "tree"));
      await files.push(join(host, "tree"), "/srv/kit/root");
      await files.push(join(host, "tree"), "/srv/kit/mine", { uid, gid });
      for (const [folder, owner] of [
        ["root", [0, 0]],
        ["mine", [uid, gid]],
      ] as const) {
        for (const path of [`/srv/kit/${folder}`, `/srv/kit/${folder}/file`, `/srv/kit/${folder}/link`]) {
          const stat = await files.stat(path);
          assert.deepEqual([stat.uid, stat.gid], owner, path);
        }
      }
    });
    it("leave a folder as it is when a file would replace it, and report EISDIR", async ({ files }, host) => {
      await mkdir(join(host, "tree"));
      await writeFile(join(host, "tree/x"), "a file");
      await files.mkdir("/srv/kit/tree/x", { recursive: true });
      await files.write("/srv/kit/tree/x/kept", "kept");
      await fails(files.push(join(host, "tree"), "/srv/kit/tree"), "EISDIR");
      assert.equal(String(await files.readAll("/srv/kit/tree/x/kept")), "kept");
    });
    it("merge into an existing folder, whose owner and mode stay, and replace files", async ({ files }, host) => {
      const { uid, gid } = fixture.account;
      await mkdir(join(host, "tree/sub"), { recursive: true });
      await writeFile(join(host, "tree/sub/f"), "new");
      await files.mkdir("/srv/kit/tree/sub", { recursive: true, uid, gid, mode: 0o750 });
      await files.write("/srv/kit/tree/sub/f", "the old one");
      await files.write("/srv/kit/tree/sub/kept", "kept");
      await files.push(join(host, "tree"), "/srv/kit/tree");
      assert.equal(String(await files.readAll("/srv/kit/tree/sub/f")), "new");
      assert.equal(String(await files.readAll("/srv/kit/tree/sub/kept")), "kept");
      assert.deepEqual(facts(await files.stat("/srv/kit/tree/sub")), { type: "directory", mode: 0o750, uid, gid });
    });
    it("give a file that replaces another the owner and mode of what arrives", async ({ files }, host) => {
      const { uid, gid } = fixture.account;
      await writeFile(join(host, "f"), "new");
      await chmod(join(host, "f"), 0o640);
      await files.write("/srv/kit/f", "old", { uid: 0, gid: 0, mode: 0o600 });
      await files.push(join(host, "f"), "/srv/kit/f", { uid, gid });
      assert.equal(await files.readText("/srv/kit/f"), "new");
      assert.deepEqual(facts(await files.stat("/srv/kit/f")), { type: "file", mode: 0o640, uid, gid });
    });
    it("treat a path with a slash at the end as a folder", async ({ files }, host) => {
      await writeFile(join(host, "f"), "");
      await fails(files.push(join(host, "f"), "/srv/kit/new/"), "EISDIR");
      await files.write("/srv/kit/f", "");
      await fails(files.pull("/srv/kit/f/", join(host, "back")), "ENOTDIR");
      assert.deepEqual(await readdir(host), ["f"]);
      assert.deepEqual(
        (await files.listAll("/srv/kit")).map(({ name }) => name),
        ["f"],
      );
    });
    it("name the file that failed", async ({ files }, host) => {
      await mkdir(join(host, "tree/a"), { recursive: true });
      await writeFile(join(host, "tree/a/b"), "");
      await files.mkdir("/srv/kit/tree/a/b", { recursive: true });
      const refused = files.push(join(host, "tree"), "/srv/kit/tree");
      await assert.rejects(refused, {
        path: "/srv/kit/tree/a/b",
        message:
          "cannot write /srv/kit/tree/a/b: EISDIR: it is a folder: a file cannot replace it, so give the whole path of the file",
      });
      const missing = files.pull("/srv/kit/none", join(host, "back"));
      await assert.rejects(missing, {
        path: "/srv/kit/none",
        message: "cannot read /srv/kit/none: ENOENT: no such file or folder",
      });
    });
    it("keep hard links, holes, and times to the nanosecond", async ({ files }, host) => {
      const tree = join(host, "tree");
      await mkdir(join(tree, "sub"), { recursive: true });
      await writeFile(join(tree, "file"), "content");
      await link(join(tree, "file"), join(tree, "sub/same"));
      await writeFile(join(tree, "holes"), "begin");
      await truncate(join(tree, "holes"), 64 * 2 ** 20);
      await appendFile(join(tree, "holes"), "end");
      // The kernel set these times, with nanoseconds: utimes() of Node 20 sets only microseconds.
      await files.push(tree, "/srv/kit/tree");
      await files.pull("/srv/kit/tree", join(host, "back"));
      const { mtimeNs } = await lstat(join(tree, "sub"), { bigint: true });
      assert.equal((await files.stat("/srv/kit/tree/sub")).mtimeNs, mtimeNs, "no nanoseconds inside");
      const back = (path: string) => lstat(join(host, "back", path), { bigint: true });
      assert.equal((await back("sub/same")).ino, (await back("file")).ino, "no hard link any more");
      const { size, blocks } = await back("holes");
      assert.equal(size, 64n * 2n ** 20n + 3n);
      assert.ok(blocks * 512n < 2n ** 20n, `a file of holes takes ${blocks * 512n} bytes`);
      const content = await readFile(join(host, "back/holes"), "latin1");
      assert.deepEqual([content.slice(0, 5), content.slice(-3)], ["begin", "end"]);
      for (const path of ["file", "sub", "holes"])
        assert.equal((await back(path)).mtimeNs, (await lstat(join(tree, path), { bigint: true })).mtimeNs, path);
    });
    it("keep the extended attributes user.*, of files and folders", async ({ files }, host) => {
      const { setXattr, xattrNames, xattr } = nativeFileCalls();
      const [tree, back] = [join(host, "tree"), join(host, "back")];
      const value = noise(300);
      await mkdir(join(tree, "sub"), { recursive: true });
      await writeFile(join(tree, "file"), "content");
      await chmod(join(tree, "file"), 0o444);
      // Where the host's file system has none, none may come back.
      const has = setXattr(Buffer.from(join(tree, "sub")), "user.pileus.kit", value);
      if (has) {
        await chmod(join(tree, "file"), 0o600);
        setXattr(Buffer.from(join(tree, "file")), "user.pileus.\xfc", Buffer.alloc(0));
        await chmod(join(tree, "file"), 0o444);
      }
      await files.push(tree, "/srv/kit/tree");
      await files.pull("/srv/kit/tree", back);
      const found = (path: string) => {
        const at = Buffer.from(join(back, path));
        const names = xattrNames(at).filter((name) => name.startsWith("user."));
        return names.map((name) => [name, xattr(at, name)?.toString("latin1")]);
      };
      assert.deepEqual(found("sub"), has ? [["user.pileus.kit", value.toString("latin1")]] : []);
      assert.deepEqual(found("file"), has ? [["user.pileus.\xfc", ""]] : []);
      assert.equal((await lstat(join(back, "file"))).mode & 0o777, 0o444);
    });
    it("copy symlinks as links, or with dereference their targets", async ({ files }, host) => {
      await mkdir(join(host, "elsewhere"));
      await writeFile(join(host, "elsewhere/f"), "content");
      await mkdir(join(host, "tree"));
      await symlink("../elsewhere", join(host, "tree/folder"));
      await symlink("../elsewhere/f", join(host, "tree/file"));
      await symlink("tree", join(host, "link"));
      await files.push(join(host, "link"), "/srv/kit/link");
      assert.equal((await files.stat("/srv/kit/link")).target, "tree");
      await files.push(join(host, "link"), "/srv/kit/tree", { dereference: true });
      assert.equal((await files.stat("/srv/kit/tree/folder")).type, "directory");
      assert.equal((await files.stat("/srv/kit/tree/file")).type, "file");
      assert.equal(await files.readText("/srv/kit/tree/folder/f"), "content");
      await symlink("nowhere", join(host, "elsewhere/dangling"));
      await fails(files.push(join(host, "tree"), "/srv/kit/new", { dereference: true }), "ENOENT");
      await rm(join(host, "elsewhere/dangling"));
      await symlink(".", join(host, "elsewhere/circle"));
      await fails(files.push(join(host, "tree"), "/srv/kit/new", { dereference: true }), "ELOOP");
    });
    it("keep names that are not UTF-8, and distinguish them", async ({ files }, host) => {
      const at = (name: string) => Buffer.from(`${host}/tree/${name}`, "latin1");
      await mkdir(join(host, "tree"));
      await mkdir(at("\xe7"));
      for (const name of ["\xe8", "\xe9", "\xe7/\xff"]) await writeFile(at(name), name, "latin1");
      await files.push(join(host, "tree"), "/srv/kit/tree");
      await files.pull("/srv/kit/tree", join(host, "back"));
      const names = await readdir(join(host, "back"), "latin1");
      assert.deepEqual(names.sort(), ["\xe7", "\xe8", "\xe9"]);
      for (const name of ["\xe8", "\xe9", "\xe7/\xff"])
        assert.equal(await readFile(Buffer.from(`${host}/back/${name}`, "latin1"), "latin1"), name);
    });
    it("report EIO when a file shrinks while it is read, and leave nothing of it", async ({ files }, host) => {
      await writeFile(join(host, "f"), noise(32 * 2 ** 20));
      const options = { onProgress: () => truncateSync(join(host, "f"), 0) };
      await fails(files.push(join(host, "f"), "/srv/kit/f", options), "EIO");
      assert.deepEqual(await files.listAll("/srv/kit"), []);
    });
    it("refuse a fifo or a device with EINVAL", async (instance, host) => {
      if (instance.can("exec")) {
        await instance.run(["mkfifo", "/srv/kit/fifo"]);
        await fails(instance.files.pull("/srv/kit/fifo", join(host, "back")), "EINVAL");
        await instance.files.pull("/srv/kit", join(host, "folder"));
        assert.deepEqual(await readdir(join(host, "folder")), []);
      }
      await fails(instance.files.push("/dev/null", "/srv/kit/null"), "EINVAL");
      assert.deepEqual(await readdir(host), instance.can("exec") ? ["folder"] : []);
    });
    it("report progress within a large file", async ({ files }, host) => {
      await writeFile(join(host, "f"), noise(4 * 2 ** 20));
      for (const way of ["push", "pull"] as const) {
        let calls = 0;
        const onProgress = () => {
          calls += 1;
        };
        if (way === "push") await files.push(join(host, "f"), "/srv/kit/f", { onProgress });
        else await files.pull("/srv/kit/f", join(host, "back"), { onProgress });
        assert.ok(calls >= 3, `${way} reported ${calls} times in 4 MiB`);
      }
    });
    it("report progress steadily through many small files", async ({ files }, host) => {
      const total = 256 * 4096;
      await mkdir(join(host, "many"));
      for (let i = 0; i < 256; i += 1) await writeFile(join(host, "many", `${i}`), noise(4096));
      for (const way of ["push", "pull"] as const) {
        const seen = [0];
        const onProgress = ({ done }: Progress) => void seen.push(done);
        if (way === "push") await files.push(join(host, "many"), "/srv/kit/many", { onProgress });
        else await files.pull("/srv/kit/many", join(host, "back"), { onProgress });
        const steps = seen.map((done, i) => (seen[i + 1] ?? total) - done);
        assert.ok(Math.max(...steps) <= total / 2, `${way}: ${Math.max(...steps)} of ${total} bytes without a report`);
      }
    });
    it("drop setuid bits on the way out", async ({ files }, host) => {
      await files.write("/srv/kit/f", "x", { mode: 0o6755 });
      await files.pull("/srv/kit", join(host, "back"));
      assert.equal((await lstat(join(host, "back/f"))).mode & 0o7777, 0o755);
    });
    it("report progress that only grows", async ({ files }, host) => {
      await makeTree(join(host, "tree"));
      for (const way of ["push", "pull"] as const) {
        const seen: Progress[] = [];
        const onProgress = (progress: Progress) => void seen.push(progress);
        if (way === "push") await files.push(join(host, "tree"), "/srv/kit/tree", { onProgress });
        else await files.pull("/srv/kit/tree", join(host, "back"), { onProgress });
        assert.ok(seen.length > 0, `${way} reported nothing`);
        assert.deepEqual(
          seen.map(({ done }) => done),
          seen.map(({ done }) => done).sort((a, b) => a - b),
        );
        assert.ok((seen.at(-1)?.done ?? 0) >= 2 ** 20, `${way} reported ${seen.at(-1)?.done} bytes at its end`);
      }
    });
    it("reject with the reason when aborted, and the instance goes on", async ({ files }, host) => {
      await makeTree(join(host, "tree"));
      for (const way of ["push", "pull"] as const) {
        const abort = new AbortController();
        const reason = new Error(`no ${way}`);
        const options = { signal: abort.signal, onProgress: () => abort.abort(reason) };
        if (way === "push") await rejectsExactly(files.push(join(host, "tree"), "/srv/kit/tree", options), reason);
        else await rejectsExactly(files.pull("/srv/kit/tree", join(host, "back"), options), reason);
        await files.push(join(host, "tree"), "/srv/kit/tree");
      }
    });
    it("name a missing source", async ({ files }, host) => {
      await fails(files.push(join(host, "none"), "/srv/kit/none"), "ENOENT");
      await fails(files.stat("/srv/kit/none"), "ENOENT");
      await fails(files.pull("/srv/kit/none", join(host, "none")), "ENOENT");
      await rejectsWith(files.push(host, "relative"), "ERR_CONFIG");
    });
  });
}
