import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceError } from "../../errors/all.ts";
import { noise, rejectsWith } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";
import { facts, fails, inFolder, names } from "./files.ts";

/** Chapter: the resolution of paths with any bytes, mounts and links, and the owners of files. */
export function describePlaces(fixture: Fixture): void {
  const it = inFolder(fixture);

  fixture.describe("places of files", () => {
    it("treats a path with a slash at the end as a folder", async ({ files }, folder) => {
      await files.write(`${folder}/f`, "");
      await fails(files.write(`${folder}/new/`, "x"), "EISDIR");
      await fails(files.write(`${folder}/f/`, "x"), "EISDIR");
      await fails(files.write(`${folder}/none/new/`, "x"), "ENOENT");
      await fails(files.readAll(`${folder}/f/`), "ENOTDIR");
      await fails(files.stat(`${folder}/f/`), "ENOTDIR");
      await fails(files.remove(`${folder}/f/`), "ENOTDIR");
      await fails(files.remove(`${folder}/f/`, { recursive: true }), "ENOTDIR");
      await files.mkdir(`${folder}/d/`);
      assert.equal((await files.stat(`${folder}/d/`)).type, "directory");
      await files.remove(`${folder}/d/`);
      assert.deepEqual(await names(files, folder), ["f"]);
    });
    it("keeps names that are not UTF-8: each invalid byte is a surrogate, U+DC80 to U+DCFF", async ({
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
      // The same bytes in another spelling.
      await files.write(`${folder}/\udcc3\udca9`, "");
      await files.remove(`${folder}/é`);
      await files.remove(`${folder}/\udcc0`, { recursive: true });
      assert.deepEqual(await names(files, folder), []);
      await rejectsWith(files.stat(`${folder}/\ud800`), "ERR_CONFIG");
      await rejectsWith(files.stat(`${folder}/\udc2f`), "ERR_CONFIG");
    });
    it("writes to a file system in memory like to any other", async ({ files }) => {
      const { uid, gid } = fixture.account;
      await files.mkdir("/dev/kit", { recursive: true });
      await files.write("/dev/kit/f", "first", { uid, gid, mode: 0o600 });
      await files.write("/dev/kit/f", "second");
      assert.equal(String(await files.readAll("/dev/kit/f")), "second");
      assert.deepEqual(facts(await files.stat("/dev/kit/f")), { type: "file", mode: 0o600, uid, gid });
      await files.remove("/dev/kit", { recursive: true });
      await fails(files.stat("/dev/kit"), "ENOENT");
    });
    it("removes neither a mount point nor what is mounted there", async ({ files }) => {
      const before = await names(files, "/proc");
      await fails(files.remove("/proc"), "EBUSY");
      await fails(files.remove("/proc", { recursive: true }), "EBUSY");
      const all = await names(files, "/");
      for (const root of ["/", "/.", "/etc/.."]) {
        for (const recursive of [false, true]) {
          const { errno, detail } = await rejectsWith(files.remove(root, { recursive }), "ERR_FILE");
          assert.deepEqual([errno, detail], ["EBUSY", "it is the root"]);
        }
      }
      assert.deepEqual(await names(files, "/"), all);
      assert.equal((await files.stat("/proc")).type, "directory");
      assert.equal(before.includes("self"), (await names(files, "/proc")).includes("self"));
    });
    it("does not remove a folder by a path that ends in . or .., but empties it if that is asked", async ({
      files,
    }, folder) => {
      for (const path of [`${folder}/d/.`, `${folder}/d/./`, `${folder}/d/e/..`]) {
        await files.mkdir(`${folder}/d/e`, { recursive: true });
        await fails(files.remove(path), "EBUSY");
        await files.remove(path, { recursive: true });
        assert.deepEqual(await names(files, `${folder}/d`), []);
      }
      await files.write(`${folder}/f`, "");
      await fails(files.remove(`${folder}/f/.`), "ENOTDIR");
      await fails(files.write(`${folder}/new/.`, ""), "ENOENT");
      await fails(files.remove(`${folder}/new/.`), "ENOENT");
      await files.remove(`${folder}/new/.`, { recursive: true });
      assert.deepEqual((await names(files, folder)).sort(), ["d", "f"]);
    });
    it("leads nowhere outside through the links of /proc", async ({ files }) => {
      const outside = join(await fixture.root(), "outside");
      await writeFile(outside, "the host's");
      for (const link of ["/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/proc/thread-self/root"]) {
        await rejectsWith(files.readAll(link + outside), "ERR_FILE");
        await rejectsWith(files.write(link + outside, "inside"), "ERR_FILE");
        await rejectsWith(files.listAll(link + (await fixture.root())), "ERR_FILE");
      }
      assert.equal(await readFile(outside, "utf8"), "the host's");
    });
    it("keeps an owner with a large id, or refuses it and names the range", async ({ files }, folder) => {
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
    it("rejects a write under way when the instance ends, and leaves nothing of it for the next run", async (instance) => {
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
        ["ERR_INSTANCE_STATE", "ERR_CONNECTION"].includes(code),
      );
      await arrived;
      await instance.stop({ mode: "kill" });
      await refused;
      const { files } = await fixture.running();
      assert.notEqual((await files.stat("/root/late").catch(() => undefined))?.size, 300_000);
      await files.remove("/root/late", { recursive: true });
    });
  });
}
