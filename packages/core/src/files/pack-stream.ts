import { lstatSync } from "node:fs";
import { Readable } from "node:stream";
import type { Abortable } from "../flow/abortable.ts";
import { fileError } from "./file-error.ts";
import { assertPackable, packEntries } from "./pack-tree.ts";
import type { TreeAccess } from "./tree-access.ts";
import { splitPath } from "./tree-path.ts";

/**
 * The tree at `path` as a stream of tar: see {@link packEntries}. Rejects if the tree does not exist. A reader that has
 * done with a chunk may give it back (chunk-pool.ts).
 */
export function packStream(access: TreeAccess, path: string, { signal }: Abortable): Readable {
  const { parent, name } = splitPath(path);
  const folder = access.openFolder(parent);
  try {
    assertPackable(lstatSync(folder.path(name)), path);
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
  const failure = (at: string, error: unknown) => fileError("read", at, error);
  const options = { verb: "read", signal, reuse: true, failure };
  const stream = Readable.from(packEntries(access, path, folder, options), { objectMode: false, signal });
  // Not only in the generator, which never runs when there is no reader; by now it has come to its end.
  stream.once("close", () => folder[Symbol.dispose]());
  // A reader sees the failure all the same. Without one, after an abort, it must not be an uncaught error.
  stream.on("error", () => undefined);
  return stream;
}
