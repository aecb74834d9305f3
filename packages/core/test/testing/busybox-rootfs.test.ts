import { lstat, mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-busybox-"));
  await makeBusyboxRootfs(folder, {
    extra: { "/etc/motd": "hello\n", "/opt/x/run": { content: "#!/bin/sh\n", mode: 0o755 } },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("has an executable init that is not an applet", async () => {
  const init = await lstat(join(folder, "sbin/init"));
  expect(init.isFile()).toBe(true);
  expect(init.mode & 0o777).toBe(0o755);
});

it("links the applets to one program by a path that is right inside", async () => {
  expect(await readlink(join(folder, "bin/sh"))).toBe("/bin/busybox");
});

it("has a user with a supplementary group", async () => {
  expect(await readFile(join(folder, "etc/passwd"), "utf8")).toContain("app:x:1000:1000:");
  expect(await readFile(join(folder, "etc/group"), "utf8")).toContain("shared:x:2000:app");
});

it("accepts extra files with their modes", async () => {
  expect(await readFile(join(folder, "etc/motd"), "utf8")).toBe("hello\n");
  expect((await lstat(join(folder, "opt/x/run"))).mode & 0o777).toBe(0o755);
});
