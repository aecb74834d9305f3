import { randomUUID } from "node:crypto";
import { readdir, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Abortable } from "../flow/abortable.ts";
import { acquireLock, tryLock } from "../system/lock.ts";
import { makeFolders } from "../system/make-folders.ts";
import { ImageAliases } from "./aliases.ts";
import { removeByTool } from "./draft.ts";
import type { ImageFolders } from "./folders.ts";
import type { ImageIssue } from "./image-store.ts";
import { readKnown } from "./known-sources.ts";
import { hexOf } from "./layer-store.ts";
import { type ImageRecord, ImageRecords, listed } from "./records.ts";

/** Removes what dead processes left: drafts whose lock is free, and content that no image has. */
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
 * Moves content without a reference from an image or a draft to the trash. Call it only under the store's exclusive
 * lock; it is quick for any size. {@link emptyTrash} does the work, without the lock.
 *
 * A record that cannot be read may refer to anything, and so may one of a later release: while there is one, all content
 * stays.
 */
export async function discardUnused(folders: ImageFolders): Promise<void> {
  const { records, unreadable, newer } = await new ImageRecords(folders.records).list();
  const unused = unreadable.length + newer.size > 0 ? [] : await unusedContent(folders, records);
  // replaceFile() of a process that died.
  for (const folder of [folders.records, folders.sources, folders.root])
    for (const name of await listed(folder)) if (/^\..*\.tmp$/.test(name)) unused.push(join(folder, name));
  if (unused.length > 0) makeFolders(folders.trash);
  for (const path of unused) await rename(path, join(folders.trash, randomUUID()));
  const known = new Set([...records, ...unreadable].map(({ fingerprint }) => fingerprint));
  for (const name of await listed(folders.sources)) {
    const path = join(folders.sources, name);
    const source = readKnown(path);
    if (source !== undefined && !known.has(source.fingerprint)) await unlink(path);
  }
}

async function unusedContent(folders: ImageFolders, images: readonly ImageRecord[]): Promise<string[]> {
  const layers = new Set(images.flatMap((image) => image.layers.map(({ chainId }) => hexOf(chainId))));
  const disks = new Set(images.map(({ disk }) => disk && hexOf(disk.digest)));
  for (const draft of await listed(folders.drafts))
    for (const pin of await listed(join(folders.drafts, draft, "pins")).catch(noFolder)) layers.add(pin);
  const unused: string[] = [];
  for (const folder of [folders.layers, folders.merged])
    for (const name of await listed(folder)) if (!layers.has(name)) unused.push(join(folder, name));
  for (const name of await listed(folders.blobs)) if (!disks.has(name)) unused.push(join(folders.blobs, name));
  return unused;
}

/** The files that cannot be read. They stay where they are. */
export async function storeIssues(folders: ImageFolders): Promise<readonly ImageIssue[]> {
  const issues: ImageIssue[] = [];
  const { unreadable, newer } = await new ImageRecords(folders.records).list();
  const reasons = new Map([
    ...newer,
    ...unreadable.map(({ fingerprint, error }) => [fingerprint, error.message] as const),
  ]);
  for (const [fingerprint, reason] of reasons) issues.push({ image: hexOf(fingerprint).slice(0, 12), reason });
  const { error } = await new ImageAliases(folders.aliases).readable();
  if (error !== undefined) issues.push({ image: "aliases", reason: error.message });
  for (const name of await listed(folders.sources)) {
    const path = join(folders.sources, name);
    if (name.endsWith(".json") && readKnown(path) === undefined)
      issues.push({ image: "sources", reason: `${path} cannot be read: remove it, it only saves time` });
  }
  return issues;
}

export async function emptyTrash(folders: ImageFolders): Promise<void> {
  if ((await listed(folders.trash)).length === 0) return;
  for (const name of await readdir(folders.trash)) await removeByTool(join(folders.trash, name));
}

function noFolder(error: NodeJS.ErrnoException): string[] {
  // The locks lie beside the drafts.
  if (error.code === "ENOTDIR") return [];
  throw error;
}
