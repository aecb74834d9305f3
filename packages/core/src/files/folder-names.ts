import { type Dirent, opendirSync } from "node:fs";
import type { FolderHandle } from "./tree-access.ts";

/** Names that are read at once. */
const SLICE = 1024;

/** An entry of a folder whose name is bytes, which the types of opendir(3) in Node do not know. */
type ByteEntry = Omit<Dirent, "name"> & { readonly name: Buffer };

/**
 * The entries of a folder, in no order, read one by one: a program in the tree decides how many there are. Leaving the
 * loop closes the folder.
 */
function* folderEntries(folder: FolderHandle): Generator<ByteEntry, void> {
  const reader = opendirSync(folder.path(".") as never, { encoding: "buffer" as BufferEncoding, bufferSize: SLICE });
  try {
    for (let entry = reader.readSync(); entry !== null; entry = reader.readSync()) yield entry as unknown as ByteEntry;
  } finally {
    reader.closeSync();
  }
}

/** Their names. */
export function* folderNames(folder: FolderHandle): Generator<Buffer, void> {
  for (const { name } of folderEntries(folder)) yield name;
}

/** Names that are sorted within one turn of the event loop. */
const SORTED = 20_000;

/** What a folder holds, by byte strings (latin1). */
export interface FolderNames {
  /** All names, sorted unless there are very many. */
  readonly all: string[];
  /** Those of what was surely a regular file when the folder was read. */
  readonly files: ReadonlySet<string>;
}

export async function readNames(folder: FolderHandle, turn: () => Promise<void> | undefined): Promise<FolderNames> {
  const all: string[] = [];
  const files = new Set<string>();
  for (const entry of folderEntries(folder)) {
    const name = entry.name.toString("latin1");
    all.push(name);
    if (entry.isFile()) files.add(name);
    if (all.length % SLICE === 0) await turn();
  }
  return { all: all.length > SORTED ? all : all.sort(), files };
}
