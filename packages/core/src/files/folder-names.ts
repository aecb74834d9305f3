import { opendirSync } from "node:fs";
import type { FolderHandle } from "./tree-access.ts";

/** Names that are read at once. */
const SLICE = 1024;

/**
 * The names in a folder, in no order, read one by one: a program in the tree decides how many there are. Leaving the
 * loop closes the folder.
 */
export function* folderNames(folder: FolderHandle): Generator<Buffer, void> {
  // Names as bytes, which the types of opendir(3) in Node do not know.
  const reader = opendirSync(folder.path(".") as never, { encoding: "buffer" as BufferEncoding, bufferSize: SLICE });
  try {
    for (let entry = reader.readSync(); entry !== null; entry = reader.readSync())
      yield entry.name as unknown as Buffer;
  } finally {
    reader.closeSync();
  }
}

/** Names that are sorted within one turn of the event loop. */
const SORTED = 20_000;

/** All names in a folder as byte strings (latin1), sorted unless there are very many of them. */
export async function readNames(folder: FolderHandle, turn: () => Promise<void> | undefined): Promise<string[]> {
  const names: string[] = [];
  for (const name of folderNames(folder)) {
    names.push(name.toString("latin1"));
    if (names.length % SLICE === 0) await turn();
  }
  return names.length > SORTED ? names : names.sort();
}
