import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Abortable } from "../contract/abortable.ts";
import { acquireLock, tryLock } from "../engine/lock.ts";
import { parseJson } from "../text/bounded-json.ts";
import { removeByTool } from "./draft.ts";
import type { ImageFolders } from "./folders.ts";
import { hexOf } from "./layer-store.ts";
import { ImageRecords, listed } from "./records.ts";

/** Removes what processes that died left behind: drafts whose lock is free, and content that no image has. */
export async function recoverStore(folders: ImageFolders, options: Abortable): Promise<void> {
  const drafts = new Set((await listed(folders.drafts)).map((name) => name.replace(/\.lock$/, "")));
  for (const id of drafts) {
    const lock = await tryLock(join(folders.drafts, `${id}.lock`));
    if (lock === undefined) continue;
    await removeByTool(join(folders.drafts, id));
    await lock.retire();
  }
  for (const name of await listed(folders.locks)) {
    if (name === "store") continue;
    await (await tryLock(join(folders.locks, name)))?.retire();
  }
  {
    await using _lock = await acquireLock(folders.storeLock, options);
    await discardUnused(folders);
  }
  await emptyTrash(folders);
}

/**
 * Moves to the trash what neither an image nor a draft refers to. Only under the store's exclusive lock; quick whatever
 * the size. {@link emptyTrash} does the work, without the lock.
 */
export async function discardUnused(folders: ImageFolders): Promise<void> {
  const images = await new ImageRecords(folders.records).list();
  const fingerprints = new Set(images.map(({ fingerprint }) => fingerprint));
  const layers = new Set(images.flatMap((image) => image.layers.map(({ chainId }) => hexOf(chainId))));
  const disks = new Set(images.map(({ disk }) => disk && hexOf(disk.digest)));
  for (const draft of await listed(folders.drafts))
    for (const pin of await listed(join(folders.drafts, draft, "pins")).catch(noFolder)) layers.add(pin);
  const unused: string[] = [];
  for (const folder of [folders.layers, folders.merged])
    for (const name of await listed(folder)) if (!layers.has(name)) unused.push(join(folder, name));
  for (const name of await listed(folders.blobs)) if (!disks.has(name)) unused.push(join(folders.blobs, name));
  // replaceFile() of a process that died.
  for (const folder of [folders.records, folders.sources, folders.root])
    for (const name of await listed(folder)) if (/^\..*\.tmp$/.test(name)) unused.push(join(folder, name));
  if (unused.length > 0) await mkdir(folders.trash, { recursive: true });
  for (const path of unused) await rename(path, join(folders.trash, randomUUID()));
  for (const name of await listed(folders.sources)) {
    const path = join(folders.sources, name);
    if (!fingerprints.has(await readFile(path, "utf8").then(fingerprintIn))) await unlink(path);
  }
}

export async function emptyTrash(folders: ImageFolders): Promise<void> {
  if ((await listed(folders.trash)).length === 0) return;
  for (const name of await readdir(folders.trash)) await removeByTool(join(folders.trash, name));
}

function fingerprintIn(text: string): string {
  return (parseJson(text) as { fingerprint: string }).fingerprint;
}

function noFolder(error: NodeJS.ErrnoException): string[] {
  // The locks lie beside the drafts.
  if (error.code === "ENOTDIR") return [];
  throw error;
}
