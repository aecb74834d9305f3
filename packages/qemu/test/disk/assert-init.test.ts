import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NotFoundError } from "@pileus/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { assertInit } from "../../src/disk/assert-init.ts";

let tree: string;

beforeEach(async () => {
  tree = await mkdtemp(join(tmpdir(), "pileus-init-"));
  for (const name of ["usr/sbin", "usr/lib/systemd", "etc"]) await mkdir(join(tree, name), { recursive: true });
  await symlink("usr/sbin", join(tree, "sbin"));
});
afterEach(() => rm(tree, { recursive: true }));

it("finds an init where the kernel does, and resolves links within the tree", async () => {
  await writeFile(join(tree, "usr/lib/systemd/systemd"), "", { mode: 0o755 });
  await symlink("/usr/lib/systemd/systemd", join(tree, "usr/sbin/init"));
  expect(() => assertInit(tree)).not.toThrow();
});

it("rejects with NotFoundError for a missing init, a folder, a file that is not a program, a link to the host", async () => {
  expect(() => assertInit(tree)).toThrow(NotFoundError);
  await symlink("/bin/sh", join(tree, "usr/sbin/init"));
  await mkdir(join(tree, "etc/init"));
  await mkdir(join(tree, "bin"));
  await writeFile(join(tree, "bin/init"), "", { mode: 0o644 });
  expect(() => assertInit(tree)).toThrow(NotFoundError);
});
