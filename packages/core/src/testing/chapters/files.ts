import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { noise, rejectsExactly, rejectsWith } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

/** Chapter: single files and folders inside. */
export function describeFiles(fixture: Fixture): void {
  const it = inFolder(fixture);

  fixture.describe("files", () => {
    const contents: readonly [string, Buffer][] = [
      ["text", Buffer.from("hello ☁\n")],
      ["nothing", Buffer.alloc(0)],
      ["binary bytes", noise(70_001)],
      ["three mebibytes", noise(3 * 2 ** 20 + 1)],
    ];
    for (const [what, bytes] of contents) {
      it(`writes and reads ${what}`, async ({ files }, folder) => {
        await files.write(`${folder}/f`, bytes);
        assert.ok((await files.readAll(`${folder}/f`)).equals(bytes), "readAll gives other bytes");
        assert.ok((await buffer(await files.read(`${folder}/f`))).equals(bytes), "read gives other bytes");
        assert.equal((await files.stat(`${folder}/f`)).size, bytes.length);
      });
    }
    it("writes from a stream", async ({ files }, folder) => {
      async function* source() {
        for (let i = 0; i < 100; i++) yield Buffer.alloc(1000, i);
      }
      await files.write(`${folder}/f`, source());
      const bytes = await files.readAll(`${folder}/f`);
      assert.equal(bytes.length, 100_000);
      assert.ok(bytes.every((byte, at) => byte === Math.floor(at / 1000)));
    });
    it("replaces a file's content with a shorter one", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "a longer content");
      await files.write(`${folder}/f`, "short");
      assert.equal(String(await files.readAll(`${folder}/f`)), "short");
    });
    it("leaves the old content and no temporary file when the source fails", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "old");
      const fault = new Error("the source broke");
      async function* source() {
        yield noise(100_000);
        throw fault;
      }
      await rejectsExactly(files.write(`${folder}/f`, source()), fault);
      await rejectsExactly(files.write(`${folder}/new`, source()), fault);
      assert.equal(String(await files.readAll(`${folder}/f`)), "old");
      assert.deepEqual(await names(files, folder), ["f"]);
    });
    it("leaves the old content and no temporary file when aborted", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "old");
      const abort = new AbortController();
      const reason = new Error("enough");
      async function* source() {
        yield noise(100_000);
        abort.abort(reason);
        yield noise(100_000);
      }
      await rejectsExactly(files.write(`${folder}/f`, source(), { signal: abort.signal }), reason);
      assert.equal(String(await files.readAll(`${folder}/f`)), "old");
      assert.deepEqual(await names(files, folder), ["f"]);
    });
    it("gives a file to root with 0644, and a folder with 0755", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      await files.mkdir(`${folder}/d`);
      assert.deepEqual(facts(await files.stat(`${folder}/f`)), { type: "file", mode: 0o644, uid: 0, gid: 0 });
      assert.deepEqual(facts(await files.stat(`${folder}/d`)), { type: "directory", mode: 0o755, uid: 0, gid: 0 });
    });
    it("gives a file and a folder the requested owner and mode", async ({ files }, folder) => {
      const { uid, gid } = fixture.account;
      await files.write(`${folder}/f`, "x", { uid, gid, mode: 0o4750 });
      await files.mkdir(`${folder}/d`, { uid, gid, mode: 0o1700 });
      assert.deepEqual(facts(await files.stat(`${folder}/f`)), { type: "file", mode: 0o4750, uid, gid });
      assert.deepEqual(facts(await files.stat(`${folder}/d`)), { type: "directory", mode: 0o1700, uid, gid });
    });
    it("gives what it creates the requested group, also in a folder with the setgid bit", async ({ files }, folder) => {
      const { gid } = fixture.account;
      await files.mkdir(`${folder}/g`, { gid, mode: 0o2775 });
      await files.write(`${folder}/g/f`, "");
      await files.mkdir(`${folder}/g/d`);
      await files.write(`${folder}/g/d/f`, "", { gid });
      assert.deepEqual(facts(await files.stat(`${folder}/g`)), { type: "directory", mode: 0o2775, uid: 0, gid });
      assert.deepEqual(facts(await files.stat(`${folder}/g/f`)), { type: "file", mode: 0o644, uid: 0, gid: 0 });
      assert.deepEqual(facts(await files.stat(`${folder}/g/d`)), { type: "directory", mode: 0o755, uid: 0, gid: 0 });
      assert.deepEqual(facts(await files.stat(`${folder}/g/d/f`)), { type: "file", mode: 0o644, uid: 0, gid });
    });
    it("keeps the owner and the mode of a file that it replaces, unless others are given", async ({
      files,
    }, folder) => {
      const { uid, gid } = fixture.account;
      await files.write(`${folder}/f`, "first", { uid, gid, mode: 0o755 });
      await files.write(`${folder}/f`, "second");
      assert.equal(String(await files.readAll(`${folder}/f`)), "second");
      assert.deepEqual(facts(await files.stat(`${folder}/f`)), { type: "file", mode: 0o755, uid, gid });
      await files.write(`${folder}/f`, "third", { uid: 0, mode: 0o600 });
      assert.deepEqual(facts(await files.stat(`${folder}/f`)), { type: "file", mode: 0o600, uid: 0, gid });
    });
    it("gives the mode to the requested folder, and 0755 to the parents that it creates", async ({ files }, folder) => {
      const { uid, gid } = fixture.account;
      await files.mkdir(`${folder}/a/b/c`, { recursive: true, uid, gid, mode: 0o700 });
      const made = [`${folder}/a`, `${folder}/a/b`, `${folder}/a/b/c`].map(async (path) =>
        facts(await files.stat(path)),
      );
      const folders = [0o755, 0o755, 0o700].map((mode) => ({ type: "directory", mode, uid, gid }));
      assert.deepEqual(await Promise.all(made), folders);
    });
    it("tells when a file was written", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "x");
      const { mtime, mtimeNs } = await files.stat(`${folder}/f`);
      // A number is exact to a quarter of a microsecond.
      assert.ok(Math.abs(Number(mtimeNs / 1_000n) / 1_000 - mtime) < 0.01, `${mtime} is not ${mtimeNs} ns`);
      // The guest has a clock of its own.
      assert.ok(Math.abs(mtime - Date.now()) < 3600_000, `an mtime of ${new Date(mtime).toISOString()}`);
    });
    it("writes and reads text as UTF-8", async ({ files }, folder) => {
      await files.writeText(`${folder}/f`, "hello ☁\n", { mode: 0o600 });
      assert.equal(await files.readText(`${folder}/f`), "hello ☁\n");
      assert.equal((await files.stat(`${folder}/f`)).mode, 0o600);
      await files.write(`${folder}/f`, Buffer.from([0x61, 0xff]));
      assert.equal(await files.readText(`${folder}/f`), "a\ufffd");
      await fails(files.readText(`${folder}/f`, { maxSize: 1 }), "EFBIG");
    });
    it("says whether a path exists, and rejects on any other failure", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      assert.equal(await files.exists(`${folder}/f`), true);
      assert.equal(await files.exists(folder), true);
      assert.equal(await files.exists(`${folder}/none/f`), false);
      assert.equal(await files.exists(`${folder}/f/x`), false);
      await rejectsWith(files.exists("relative"), "ERR_CONFIG");
    });
    it("lists a folder entry by entry, until the loop is left", async ({ files }, folder) => {
      for (let index = 0; index < 40; index += 1) await files.write(`${folder}/${index}`, "x");
      const found: string[] = [];
      for await (const { name, size } of files.list(folder)) found.push(`${name} ${size}`);
      const all = Array.from({ length: 40 }, (_, index) => `${index} 1`);
      assert.deepEqual(found.sort(), all.sort());
      for await (const { name } of files.list(folder)) {
        assert.ok(name);
        break;
      }
      const abort = new AbortController();
      const reason = new Error("enough");
      const listing = async () => {
        for await (const { name } of files.list(folder, { signal: abort.signal })) {
          assert.ok(name);
          abort.abort(reason);
        }
      };
      await rejectsExactly(listing(), reason);
      await fails(listOf(files, `${folder}/none`), "ENOENT");
    });
    it("lists a folder sorted by name, with the metadata of each entry", async ({ files }, folder) => {
      for (const name of ["b", "a", "ü ☁\nx", "-rf"]) await files.write(`${folder}/${name}`, name);
      await files.mkdir(`${folder}/c`);
      const entries = await files.listAll(folder);
      assert.deepEqual(
        entries.map(({ name, type, size }) => [name, type, type === "file" ? size : 0]),
        [
          ["-rf", "file", 3],
          ["a", "file", 1],
          ["b", "file", 1],
          ["c", "directory", 0],
          ["ü ☁\nx", "file", Buffer.byteLength("ü ☁\nx")],
        ],
      );
    });
    it("makes a folder once, and with recursive its parents too, again and again", async ({ files }, folder) => {
      await fails(files.mkdir(`${folder}/a/b/c`), "ENOENT");
      await files.mkdir(`${folder}/a/b/c`, { recursive: true });
      await files.mkdir(`${folder}/a/b/c`, { recursive: true });
      await fails(files.mkdir(`${folder}/a/b/c`), "EEXIST");
      assert.deepEqual(await names(files, `${folder}/a/b`), ["c"]);
      await files.write(`${folder}/f`, "");
      await fails(files.mkdir(`${folder}/f`, { recursive: true }), "EEXIST");
      await fails(files.mkdir(`${folder}/f/x/y`, { recursive: true }), "ENOTDIR");
    });
    it("removes a file and an empty folder, and with recursive what a folder holds", async ({ files }, folder) => {
      await files.mkdir(`${folder}/d/e`, { recursive: true });
      await files.write(`${folder}/d/e/f`, "");
      await fails(files.remove(`${folder}/d`), "ENOTEMPTY");
      await files.remove(`${folder}/d/e/f`);
      await files.remove(`${folder}/d/e`);
      await files.mkdir(`${folder}/d/e/g`, { recursive: true });
      await files.remove(`${folder}/d`, { recursive: true });
      await fails(files.remove(`${folder}/d`), "ENOENT");
      await files.remove(`${folder}/d`, { recursive: true });
      assert.deepEqual(await names(files, folder), []);
    });
    it("reports failures by the system's error names", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      await fails(files.readAll(`${folder}/none`), "ENOENT");
      await fails(files.stat(`${folder}/none`), "ENOENT");
      await fails(files.listAll(`${folder}/none`), "ENOENT");
      await fails(files.write(`${folder}/none/f`, ""), "ENOENT");
      await fails(files.readAll(folder), "EISDIR");
      await fails(files.write(folder, ""), "EISDIR");
      await fails(files.listAll(`${folder}/f`), "ENOTDIR");
      await fails(files.stat(`${folder}/f/x`), "ENOTDIR");
      await fails(files.mkdir(`${folder}/f`), "EEXIST");
    });
    it("refuses a path that is not absolute, or has a NUL", async ({ files }) => {
      await rejectsWith(files.readAll("etc/passwd"), "ERR_CONFIG");
      await rejectsWith(files.stat("/etc/pass\0wd"), "ERR_CONFIG");
      await rejectsWith(files.write("/tmp/f", "", { mode: 0o70000 }), "ERR_CONFIG");
    });
    it("reads at most maxSize at once", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "12345");
      assert.equal(String(await files.readAll(`${folder}/f`, { maxSize: 5 })), "12345");
      await fails(files.readAll(`${folder}/f`, { maxSize: 4 }), "EFBIG");
    });
    it("ends a stream with the reason of an abort itself", async ({ files }, folder) => {
      await files.write(`${folder}/f`, noise(4 * 2 ** 20));
      const abort = new AbortController();
      const reason = new Error("enough");
      const reading = async () => {
        for await (const chunk of await files.read(`${folder}/f`, { signal: abort.signal })) {
          assert.ok((chunk as Buffer).length > 0);
          abort.abort(reason);
        }
      };
      await rejectsExactly(reading(), reason);
      await rejectsExactly(files.read(`${folder}/f`, { signal: abort.signal }), reason);
      await rejectsExactly(files.readAll(`${folder}/f`, { signal: abort.signal }), reason);
    });
    it("lets a reader stop in the middle", async ({ files }, folder) => {
      await files.write(`${folder}/f`, noise(2 ** 20));
      for await (const chunk of await files.read(`${folder}/f`)) {
        assert.ok((chunk as Buffer).length > 0);
        break;
      }
      await files.write(`${folder}/f`, "again");
    });
  });

  fixture.describe("files and programs", () => {
    const both = (name: string, test: (instance: AnyInstance, folder: string) => Promise<void>) => {
      if (fixture.has("exec")) it(name, test);
    };
    both("see the same files", async (instance, folder) => {
      await instance.files.write(`${folder}/in`, "from outside");
      assert.equal((await instance.run(["cat", `${folder}/in`])).stdout, "from outside");
      await instance.run(["sh", "-c", `printf inside >${folder}/out`]);
      assert.equal(String(await instance.files.readAll(`${folder}/out`)), "inside");
    });
    both("a script that was written is run by its path", async (instance, folder) => {
      await instance.files.write(`${folder}/script`, "#!/bin/sh\necho run with $1\nexit 5\n", { mode: 0o755 });
      const { stdout, exitCode } = await instance.run([`${folder}/script`, "an argument"]);
      assert.deepEqual([stdout, exitCode], ["run with an argument\n", 5]);
    });
    both("a fifo is refused, not waited for", async (instance, folder) => {
      await instance.run(["mkfifo", `${folder}/fifo`], { check: true });
      assert.equal((await instance.files.stat(`${folder}/fifo`)).type, "fifo");
      await fails(instance.files.readAll(`${folder}/fifo`), "EINVAL");
      await fails(instance.files.write(`${folder}/fifo`, "x"), "EINVAL");
      await instance.files.remove(`${folder}/fifo`);
    });
  });
}

/** Tests on the shared instance, each with a new empty folder. */
export function inFolder(fixture: Fixture) {
  return (name: string, test: (instance: AnyInstance, folder: string) => Promise<void>): void =>
    fixture.it(
      name,
      async () => {
        const instance = await fixture.running();
        await instance.files.remove("/srv/kit", { recursive: true });
        await instance.files.mkdir("/srv/kit", { recursive: true });
        await test(instance, "/srv/kit");
      },
      "files",
    );
}

type Files = AnyInstance["files"];

export async function fails(promise: Promise<unknown>, errno: string): Promise<void> {
  const error = await rejectsWith(promise, "ERR_FILE");
  assert.equal(error.errno, errno);
}

async function listOf(files: Files, folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of files.list(folder)) found.push(name);
  return found;
}

export async function names(files: Files, folder: string): Promise<string[]> {
  return (await files.listAll(folder)).map(({ name }) => name);
}

export function facts({ type, mode, uid, gid }: Awaited<ReturnType<Files["stat"]>>) {
  return { type, mode, uid, gid };
}
