import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalFiles, plainAccess } from "@pileus/core/files";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveUser } from "../src/user.ts";

let root: string;
let files: LocalFiles;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-user-"));
  await mkdir(join(root, "etc"));
  await writeFile(
    join(root, "etc/passwd"),
    "# comment\nroot:x:0:0:root:/root:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\nbroken:x:-1:nobody\n",
  );
  await writeFile(join(root, "etc/group"), "root:x:0:\nusers:x:100:app\nshared:x:2000:other,app\nbad:x:x:app\n");
  files = new LocalFiles(plainAccess(root));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a user", () => {
  it.each([
    [undefined, { uid: 0, gid: 0, groups: [], home: "/root", name: "root" }],
    ["", { uid: 0, gid: 0, groups: [], home: "/root", name: "root" }],
    ["app", { uid: 1000, gid: 100, groups: [2000], home: "/home/app", name: "app" }],
    ["1000", { uid: 1000, gid: 100, groups: [2000], home: "/home/app", name: "app" }],
    ["app:shared", { uid: 1000, gid: 2000, groups: [], home: "/home/app", name: "app" }],
    ["1000:0", { uid: 1000, gid: 0, groups: [], home: "/home/app", name: "app" }],
    ["4242", { uid: 4242, gid: 0, groups: [], home: "/", name: "4242" }],
    ["4242:4243", { uid: 4242, gid: 4243, groups: [], home: "/", name: "4242" }],
  ])("written %j is found with its groups and home", async (written, found) => {
    expect(await resolveUser(files, written)).toEqual(found);
  });
  it.each(["nobody", "broken", "app:nogroup", "app:bad", "4294967295", "-1"])(
    "written %j is not found",
    async (written) => {
      await expect(resolveUser(files, written)).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    },
  );
  it("is found by number where the image has no /etc/passwd", async () => {
    await rm(join(root, "etc"), { recursive: true });
    expect(await resolveUser(files)).toMatchObject({ uid: 0, home: "/root", name: "root" });
  });
});
