import { opendirSync } from "node:fs";
import type { FolderHandle } from "./tree-access.ts";

/** Names that are read at once. */
const SLICE = 1024;

/**
 * The names in a folder, in no order, read as they are asked for: whoever lives in the tree decides how many there are. Leaving the loop
 * closes the folder.
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
