import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { FileError, InstanceError } from "../../contract/errors.ts";
import { noise, rejectsExactly, rejectsWith } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

/** Chapter: single files and folders inside. */
export function describeFiles(fixture: Fixture): void {
  const it = (name: string, test: (instance: AnyInstance, folder: string) => Promise<void>) =>
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
    it("gives a file and a folder the owner and mode that were asked for", async ({ files }, folder) => {
      const { uid, gid } = fixture.account;
      await files.write(`${folder}/f`, "x", { uid, gid, mode: 0o4750 });
      await files.mkdir(`${folder}/d`, { uid, gid, mode: 0o1700 });
      assert.deepEqual(facts(await files.stat(`${folder}/f`)), { type: "file", mode: 0o4750, uid, gid });
      assert.deepEqual(facts(await files.stat(`${folder}/d`)), { type: "directory", mode: 0o1700, uid, gid });
    });
    it("keeps the owner and the mode of a file that is written anew, unless others are asked for", async ({
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
    it("gives a mode to the folder that was asked for, and 0755 to the parents that it makes", async ({
      files,
    }, folder) => {
      const { uid, gid } = fixture.account;
      await files.mkdir(`${folder}/a/b/c`, { recursive: true, uid, gid, mode: 0o700 });
      const made = [`${folder}/a`, `${folder}/a/b`, `${folder}/a/b/c`].map(async (path) =>
        facts(await files.stat(path)),
      );
      const folders = [0o755, 0o755, 0o700].map((mode) => ({ type: "directory", mode, uid, gid }));
      assert.deepEqual(await Promise.all(made), folders);
    });
    it("takes a slash at the end for a folder", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      await fails(files.write(`${folder}/new/`, "x"), "EISDIR");
      await fails(files.write(`${folder}/f/`, "x"), "EISDIR");
      await fails(files.write(`${folder}/none/new/`, "x"), "ENOENT");
      await fails(files.readAll(`${folder}/f/`), "ENOTDIR");
      await fails(files.stat(`${folder}/f/`), "ENOTDIR");
      await fails(files.remove(`${folder}/f/`), "ENOTDIR");
      await files.mkdir(`${folder}/d/`);
      assert.equal((await files.stat(`${folder}/d/`)).type, "directory");
      await files.remove(`${folder}/d/`);
      assert.deepEqual(await names(files, folder), ["f"]);
    });
    it("removes nothing that is mounted, nor what it shows", async ({ files }) => {
      const before = await names(files, "/proc");
      await fails(files.remove("/proc"), "EBUSY");
      await fails(files.remove("/proc", { recursive: true }), "EBUSY");
      await fails(files.remove("/"), "EBUSY");
      assert.equal((await files.stat("/proc")).type, "directory");
      assert.equal(before.includes("self"), (await names(files, "/proc")).includes("self"));
    });
    it("writes to a file system in memory as to any other", async ({ files }) => {
      const { uid, gid } = fixture.account;
      await files.mkdir("/dev/kit", { recursive: true });
      await files.write("/dev/kit/f", "first", { uid, gid, mode: 0o600 });
      await files.write("/dev/kit/f", "second");
      assert.equal(String(await files.readAll("/dev/kit/f")), "second");
      assert.deepEqual(facts(await files.stat("/dev/kit/f")), { type: "file", mode: 0o600, uid, gid });
      await files.remove("/dev/kit", { recursive: true });
      await fails(files.stat("/dev/kit"), "ENOENT");
    });
    it("keeps an owner of a large id, or refuses it by its number and the range", async ({ files }, folder) => {
      const uid = 1_000_621_001;
      try {
        await files.write(`${folder}/f`, "", { uid });
      } catch (error) {
        assert.match(String(error), /EINVAL: .*1000621001.* 0 to \d+/);
        await fails(files.mkdir(`${folder}/d`, { uid }), "EINVAL");
        assert.deepEqual(await names(files, folder), []);
        return;
      }
      assert.equal((await files.stat(`${folder}/f`)).uid, uid);
    });
    it("tells when a file was written", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "x");
      const { mtime } = await files.stat(`${folder}/f`);
      // The guest has a clock of its own.
      assert.ok(Math.abs(mtime - Date.now()) < 3600_000, `an mtime of ${new Date(mtime).toISOString()}`);
    });
    it("lists a folder by name, with what each entry is", async ({ files }, folder) => {
      for (const name of ["b", "a", "ü ☁\nx", "-rf"]) await files.write(`${folder}/${name}`, name);
      await files.mkdir(`${folder}/c`);
      const entries = await files.list(folder);
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
    it("keeps names that are no UTF-8: a byte that is part of no character is a surrogate, U+DC80 to U+DCFF", async ({
      files,
    }, folder) => {
      const odd = ["\udce8", "\udce9", "a\udcff☁\udc80"];
      await files.mkdir(`${folder}/\udcc0/\udcff`, { recursive: true });
      for (const name of odd) await files.write(`${folder}/\udcc0/${name}`, name);
      assert.deepEqual(await names(files, folder), ["\udcc0"]);
      assert.deepEqual(await names(files, `${folder}/\udcc0`), [...odd, "\udcff"].sort());
      for (const name of odd) {
        assert.equal((await files.stat(`${folder}/\udcc0/${name}`)).size, Buffer.byteLength(name));
        await files.remove(`${folder}/\udcc0/${name}`);
      }
      // The same bytes, though written otherwise.
      await files.write(`${folder}/\udcc3\udca9`, "");
      await files.remove(`${folder}/é`);
      await files.remove(`${folder}/\udcc0`, { recursive: true });
      assert.deepEqual(await names(files, folder), []);
      await rejectsWith(files.stat(`${folder}/\ud800`), "ERR_INSTANCE_CONFIG");
      await rejectsWith(files.stat(`${folder}/\udc2f`), "ERR_INSTANCE_CONFIG");
    });
    it("makes a folder once, and with recursive its parents too, again and again", async ({ files }, folder) => {
      await fails(files.mkdir(`${folder}/a/b/c`), "ENOENT");
      await files.mkdir(`${folder}/a/b/c`, { recursive: true });
      await files.mkdir(`${folder}/a/b/c`, { recursive: true });
      await fails(files.mkdir(`${folder}/a/b/c`), "EEXIST");
      assert.deepEqual(await names(files, `${folder}/a/b`), ["c"]);
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
    it("names what is wrong as the system does", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      await fails(files.readAll(`${folder}/none`), "ENOENT");
      await fails(files.stat(`${folder}/none`), "ENOENT");
      await fails(files.list(`${folder}/none`), "ENOENT");
      await fails(files.write(`${folder}/none/f`, ""), "ENOENT");
      await fails(files.readAll(folder), "EISDIR");
      await fails(files.write(folder, ""), "EISDIR");
      await fails(files.list(`${folder}/f`), "ENOTDIR");
      await fails(files.stat(`${folder}/f/x`), "ENOTDIR");
      await fails(files.mkdir(`${folder}/f`), "EEXIST");
    });
    it("refuses a path that is not absolute, or has a NUL", async ({ files }) => {
      await rejectsWith(files.readAll("etc/passwd"), "ERR_INSTANCE_CONFIG");
      await rejectsWith(files.stat("/etc/pass\0wd"), "ERR_INSTANCE_CONFIG");
      await rejectsWith(files.write("/tmp/f", "", { mode: 0o70000 }), "ERR_INSTANCE_CONFIG");
    });
    it("reads at most maxSize at once", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "12345");
      assert.equal(String(await files.readAll(`${folder}/f`, { maxSize: 5 })), "12345");
      await fails(files.readAll(`${folder}/f`, { maxSize: 4 }), "EFBIG");
    });
    it("ends a stream that is read with the very reason of an abort", async ({ files }, folder) => {
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
    it("rejects a write under way when the instance ends, and has nothing of it in the next run", async (instance) => {
      let arrive = () => {};
      const arrived = new Promise<void>((resolve) => {
        arrive = resolve;
      });
      async function* source() {
        yield noise(300_000);
        arrive();
        await new Promise<never>(() => undefined);
      }
      await instance.files.write("/root/late", "early");
      const write = instance.files.write("/root/late", source());
      const refused = assert.rejects(write, ({ code }: InstanceError) =>
        ["ERR_INSTANCE_STATE", "ERR_INSTANCE_CONNECTION"].includes(code),
      );
      await arrived;
      await instance.stop({ mode: "kill" });
      await refused;
      const { files } = await fixture.running();
      assert.notEqual((await files.stat("/root/late").catch(() => undefined))?.size, 300_000);
      await files.remove("/root/late", { recursive: true });
    });
    it("leads nowhere outside through the links of /proc", async ({ files }) => {
      const outside = join(await fixture.root(), "outside");
      await writeFile(outside, "the host's");
      for (const link of ["/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/proc/thread-self/root"]) {
        await rejectsWith(files.readAll(link + outside), "ERR_INSTANCE_FILE");
        await rejectsWith(files.write(link + outside, "inside"), "ERR_INSTANCE_FILE");
        await rejectsWith(files.list(link + (await fixture.root())), "ERR_INSTANCE_FILE");
      }
      assert.equal(await readFile(outside, "utf8"), "the host's");
    });
    it("lets a reader leave in the middle", async ({ files }, folder) => {
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
      const { stdout, exit } = await instance.run([`${folder}/script`, "an argument"]);
      assert.deepEqual([stdout, exit], ["run with an argument\n", { kind: "exited", code: 5 }]);
    });
    both("a fifo is refused, not waited for", async (instance, folder) => {
      assert.deepEqual((await instance.run(["mkfifo", `${folder}/fifo`])).exit, { kind: "exited", code: 0 });
      assert.equal((await instance.files.stat(`${folder}/fifo`)).type, "fifo");
      await fails(instance.files.readAll(`${folder}/fifo`), "EINVAL");
      await fails(instance.files.write(`${folder}/fifo`, "x"), "EINVAL");
      await instance.files.remove(`${folder}/fifo`);
    });
  });
}

type Files = AnyInstance["files"];

export async function fails(promise: Promise<unknown>, errno: string): Promise<void> {
  const error = await rejectsWith(promise, "ERR_INSTANCE_FILE");
  assert.equal((error as FileError).errno, errno);
}

async function names(files: Files, folder: string): Promise<string[]> {
  return (await files.list(folder)).map(({ name }) => name);
}

function facts({ type, mode, uid, gid }: Awaited<ReturnType<Files["stat"]>>) {
  return { type, mode, uid, gid };
}
