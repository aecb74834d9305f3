import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A folder with what makes trees hard: nesting, emptiness, links, modes, names beyond ASCII, a large file. */
export async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, "nested", "deeper"), { recursive: true });
  await mkdir(join(folder, "empty folder"));
  await writeFile(join(folder, "empty"), "");
  await writeFile(join(folder, "large"), randomBytes(4 * 1024 * 1024 + 1));
  await writeFile(join(folder, "nested", "grüße 雲.txt"), "bytes\0and more\n");
  await writeFile(join(folder, "nested", "deeper", "script"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await symlink("nested/deeper/script", join(folder, "link"));
}

/** Compares two trees byte for byte: names, types, modes, contents, link targets. */
export async function assertSameTree(left: string, right: string): Promise<void> {
  const entries = async (folder: string) =>
    (await readdir(folder, { withFileTypes: true, recursive: true }))
      .map((entry) => ({ path: join(entry.parentPath, entry.name).slice(folder.length), entry }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  const [expected, actual] = [await entries(left), await entries(right)];
  assert.deepEqual(
    actual.map(({ path }) => path),
    expected.map(({ path }) => path),
  );
  for (const { path, entry } of expected) {
    const [a, b] = [join(left, path), join(right, path)];
    if (entry.isSymbolicLink()) assert.equal(await readlink(b), await readlink(a), path);
    else assert.equal((await stat(b)).mode, (await stat(a)).mode, path);
    if (entry.isFile()) assert.ok((await readFile(a)).equals(await readFile(b)), `${path} differs`);
  }
}
