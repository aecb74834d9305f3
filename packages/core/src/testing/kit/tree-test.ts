import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noise } from "./expect.ts";
import type { AnyInstance, Fixture } from "./fixture.ts";

/** A test of trees gets the instance and an empty folder of the host. `/srv/kit` inside is empty too. */
export function treeTests(fixture: Fixture) {
  return (name: string, test: (instance: AnyInstance, host: string) => Promise<void>) =>
    fixture.it(
      name,
      async () => {
        const instance = await fixture.running();
        await instance.files.remove("/srv/kit", { recursive: true });
        await instance.files.mkdir("/srv/kit", { recursive: true });
        const host = await mkdtemp(join(tmpdir(), "pileus-kit-tree-"));
        try {
          await test(instance, host);
        } finally {
          await rm(host, { recursive: true, force: true });
        }
      },
      "files",
    );
}

export async function makeTree(root: string): Promise<void> {
  const long = "a-rather-long-name-".repeat(10);
  for (const folder of ["", "empty", "deep/er/est", "ünï ☁", long])
    await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, "file"), "content\n");
  await writeFile(join(root, "nothing"), "");
  await writeFile(join(root, "deep/er/est/large"), noise(2 ** 20 + 512 + 1));
  await writeFile(join(root, "ünï ☁", "-name with\nnewline"), "x");
  await writeFile(join(root, long, long), long);
  await symlink("deep/er", join(root, "link"));
  await symlink("/nowhere/at all", join(root, "dangling"));
  await chmod(join(root, "file"), 0o600);
  await chmod(join(root, "nothing"), 0o755);
  await chmod(join(root, "empty"), 0o700);
  await utimes(join(root, "file"), 1_000_000_000, 1_000_000_000);
}

/** What matters of a tree on the host, by relative path. */
export async function lookAt(root: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const visit = async (path: string): Promise<void> => {
    const stat = await lstat(join(root, path));
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[path] = { target: await readlink(join(root, path)) };
    else if (stat.isFile()) {
      const sha256 = createHash("sha256")
        .update(await readFile(join(root, path)))
        .digest("hex");
      found[path] = { mode, size: stat.size, sha256, mtime: Math.floor(stat.mtimeMs) };
    } else {
      found[path] = { mode };
      for (const name of await readdir(join(root, path))) await visit(join(path, name));
    }
  };
  await visit(".");
  return found;
}
