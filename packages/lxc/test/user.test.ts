import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalFiles, plainAccess } from "@pileus/core/files";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertMapped, resolveUser } from "../src/user.ts";

let root: string;
let files: LocalFiles;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-user-"));
  await mkdir(join(root, "etc"));
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:100:App:/home/app:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nusers:x:100:app\nshared:x:2000:other,app\nwheel:x:10:root\n");
  files = new LocalFiles(plainAccess(root));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a user", () => {
  it("is found in the instance's own files, by default root", async () => {
    const app = { uid: 1000, home: "/home/app", name: "app" };
    expect(await resolveUser(files)).toEqual({ uid: 0, gid: 0, groups: [0, 10], home: "/root", name: "root" });
    expect(await resolveUser(files, "app")).toEqual({ ...app, gid: 100, groups: [100, 2000] });
    expect(await resolveUser(files, "app:shared")).toEqual({ ...app, gid: 2000, groups: [2000] });
  });
  it.each([
    ["nobody", "ERR_USER_NOT_FOUND", /user "nobody".*\/etc\/passwd/],
    ["app:nogroup", "ERR_GROUP_NOT_FOUND", /group "nogroup".*\/etc\/group/],
  ])("written %j is not found", async (written, code, message) => {
    const finding = resolveUser(files, written);
    await expect(finding).rejects.toMatchObject({ code });
    await expect(finding).rejects.toThrow(message);
  });
  it("is found by number if the image has no /etc/passwd, or an invalid one", async () => {
    await writeFile(join(root, "etc/passwd"), `root:x:0:0:root:/hidden:\n${"#".repeat(4 * 1024 * 1024)}`);
    expect(await resolveUser(files)).toMatchObject({ uid: 0, home: "/root", name: "root" });
    await rm(join(root, "etc"), { recursive: true });
    expect(await resolveUser(files)).toMatchObject({ uid: 0, home: "/root", name: "root" });
  });

  it("is found in a file of the maximum size", async () => {
    const app = "app:x:1000:100:App:/home/app:/bin/sh\n";
    await writeFile(join(root, "etc/passwd"), app + "#".repeat(4 * 1024 * 1024 - app.length));
    expect(await resolveUser(files, "app")).toMatchObject({ uid: 1000 });
  });
  it("is not looked up if the files cannot be read at all: that error is thrown", async () => {
    const lost = new Error("the instance is gone");
    const gone = { read: () => Promise.reject(lost) } as unknown as LocalFiles;
    await expect(resolveUser(gone, "app")).rejects.toBe(lost);
  });
});

describe("the ids of a user in an unprivileged container", () => {
  const idmap = { base: 100_000, count: 1000 };
  it("may be any id of the container, and any id in a privileged one", () => {
    assertMapped({ uid: 999, gid: 999, groups: [0, 999] }, idmap);
    assertMapped({ uid: 4_000_000_000, gid: 1, groups: [] }, undefined);
  });
  it.each([
    ["user", { uid: 1000, gid: 0, groups: [0] }],
    ["group", { uid: 0, gid: 1000, groups: [0] }],
    ["further group", { uid: 0, gid: 0, groups: [0, 1000] }],
  ])("are refused if the %s's id is beyond them, with the available ids", (_, account) => {
    expect(() => assertMapped(account, idmap)).toThrow(
      expect.objectContaining({ name: "ConfigError", issues: [expect.objectContaining({ path: ["user"] })] }),
    );
    expect(() => assertMapped(account, idmap)).toThrow(/id 1000 is beyond .* 0 to 999/);
  });
});
