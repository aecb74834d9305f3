import { type Dirent, opendirSync } from "node:fs";
import type { FolderHandle } from "./tree-access.ts";

/** How many names are read at once. */
const SLICE = 1024;

/** An entry of a folder whose name is bytes: Node's types for opendir(3) do not have it. */
type ByteEntry = Omit<Dirent, "name"> & { readonly name: Buffer };

/**
 * The entries of a folder, in no order, read one by one, because programs in the tree decide how many there are.
 * Leaving the loop closes the folder.
 */
function* folderEntries(folder: FolderHandle): Generator<ByteEntry, void> {
  const reader = opendirSync(folder.path(".") as never, { encoding: "buffer" as BufferEncoding, bufferSize: SLICE });
  try {
    for (let entry = reader.readSync(); entry !== null; entry = reader.readSync()) yield entry as unknown as ByteEntry;
  } finally {
    reader.closeSync();
  }
}

/** The names of a folder's entries. */
export function* folderNames(folder: FolderHandle): Generator<Buffer, void> {
  for (const { name } of folderEntries(folder)) yield name;
}

/** Up to this many names are sorted without a yield to the event loop. */
const SORTED = 20_000;

/** The names in a folder, as byte strings (latin1). */
export interface FolderNames {
  /** All names, sorted unless there are very many. */
  readonly all: string[];
  /** The names that were surely regular files when the folder was read. */
  readonly files: ReadonlySet<string>;
}

export async function readNames(folder: FolderHandle, yieldNow: () => Promise<void> | undefined): Promise<FolderNames> {
  const all: string[] = [];
  const files = new Set<string>();
  for (const entry of folderEntries(folder)) {
    const name = entry.name.toString("latin1");
    all.push(name);
    if (entry.isFile()) files.add(name);
    if (all.length % SLICE === 0) await yieldNow();
  }
  return { all: all.length > SORTED ? all : all.sort(), files };
}
