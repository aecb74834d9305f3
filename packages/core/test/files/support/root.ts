import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DirectoryEntry } from "../../../src/contract/files.ts";
import { LocalFiles, plainAccess } from "../../../src/files/index.ts";

/** Whoever runs this owns what is made: other owners need root, and are tested in the root tier. */
export const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** A new folder of the host, which the caller removes, and the file operations on it. */
export async function makeRoot(): Promise<{ readonly root: string; readonly files: LocalFiles }> {
  const root = await mkdtemp(join(tmpdir(), "pileus-files-"));
  return { root, files: new LocalFiles(plainAccess(root)) };
}

/** Writes a file of such content, and waits until it is in place. */
export async function write(files: LocalFiles, path: string, content: string, mode?: number): Promise<void> {
  const { stream, done } = await files.write(path, { ...owner, mode });
  stream.end(content);
  await done;
}

/** All of a listing. */
export async function listed(files: LocalFiles, path: string): Promise<DirectoryEntry[]> {
  return (await files.list(path)).toArray();
}
