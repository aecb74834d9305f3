import assert from "node:assert/strict";
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Fixture } from "../kit/fixture.ts";
import { treeTests } from "../kit/tree-test.ts";
import { fails } from "./files.ts";

/** Chapter: symlinks inside, which try to lead outside. */
export function describeTreeLinks(fixture: Fixture): void {
  const it = treeTests(fixture);
  fixture.describe("symlinks inside", () => {
    it("are reported as links by stat and list, and followed by read", async ({ files }, host) => {
      await symlink("f", join(host, "link"));
      await writeFile(join(host, "f"), "content");
      await files.push(host, "/srv/kit/d");
      const { type, target } = await files.stat("/srv/kit/d/link");
      assert.deepEqual([type, target], ["symlink", "f"]);
      assert.deepEqual(
        (await files.listAll("/srv/kit/d")).map((entry) => [entry.name, entry.target]),
        [
          ["f", undefined],
          ["link", "f"],
        ],
      );
      assert.equal(String(await files.readAll("/srv/kit/d/link")), "content");
    });
    it("cannot lead outside, whether absolute or relative", async ({ files }, host) => {
      await writeFile(join(host, "secret"), "of the host");
      await mkdir(join(host, "links"));
      const up = "../".repeat(30);
      await symlink(join(host, "secret"), join(host, "links/absolute"));
      await symlink(`${up}${host.slice(1)}/secret`, join(host, "links/relative"));
      await symlink(host, join(host, "links/folder"));
      await files.push(join(host, "links"), "/srv/kit/links");
      for (const path of ["absolute", "relative", "folder/secret", `${up}${host.slice(1)}/secret`]) {
        await fails(files.readAll(`/srv/kit/links/${path}`), "ENOENT");
        await fails(files.write(`/srv/kit/links/${path}`, "overwritten"), "ENOENT");
        await files.remove(`/srv/kit/links/folder/secret`, { recursive: true });
      }
      await fails(files.listAll("/srv/kit/links/folder"), "ENOENT");
      await fails(files.push(join(host, "secret"), "/srv/kit/links/folder/planted"), "ENOENT");
      assert.deepEqual((await readdir(host)).sort(), ["links", "secret"]);
      assert.equal(await readFile(join(host, "secret"), "utf8"), "of the host");
    });
    it("stay symlinks when pulled, and nothing is written through them", async ({ files }, host) => {
      await writeFile(join(host, "secret"), "of the host");
      await mkdir(join(host, "links"));
      await symlink(join(host, "secret"), join(host, "links/f"));
      await files.push(join(host, "links"), "/srv/kit/links");
      await files.pull("/srv/kit/links", join(host, "back"));
      assert.equal(await readlink(join(host, "back/f")), join(host, "secret"));
      // Now a file inside has the name of a symlink on the host.
      await files.remove("/srv/kit/links/f");
      await files.write("/srv/kit/links/f", "from inside");
      await files.pull("/srv/kit/links", join(host, "back"));
      assert.equal(await readFile(join(host, "secret"), "utf8"), "of the host");
    });
    it("of the instance's own /etc/passwd are its own", async ({ files }, host) => {
      await symlink("/etc/passwd", join(host, "passwd"));
      await files.push(host, "/srv/kit/d");
      assert.ok((await files.readAll("/srv/kit/d/passwd")).equals(await files.readAll("/etc/passwd")));
    });
  });
}
