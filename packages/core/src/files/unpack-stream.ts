import { addAbortSignal, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { FileError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { shown, type TarEntry } from "../tar/entry.ts";
import { fileError } from "./file-error.ts";
import type { TreeAccess } from "./tree-access.ts";
import { TreeUnpacking } from "./unpack-tree.ts";

/**
 * Unpacks at `path` the tar that is written to `stream`, with its owners and modes. Names that leave the tree, fifos
 * and devices are refused with `EINVAL`. `done` settles once everything is in place with its times; a failure or an
 * abort leaves what had arrived.
 */
export function unpackStream(
  access: TreeAccess,
  path: string,
  { signal }: Abortable = {},
): { readonly stream: Writable; readonly done: Promise<void> } {
  const unpacking = new TreeUnpacking(access, path, {
    signal,
    followLinks: true,
    atomic: true,
    admit(entry: TarEntry) {
      if (entry.type !== "fifo" && entry.type !== "character" && entry.type !== "block") return entry;
      throw new FileError({ verb: "write", path, errno: "EINVAL", detail: `${shown(entry.name)} is a ${entry.type}` });
    },
    refusal: ({ message, tooLarge }) =>
      new FileError({ verb: "write", path, errno: tooLarge ? "EFBIG" : "EINVAL", detail: message }),
    failure: (at, error) => fileError("write", at, error),
  });
  let busy = Promise.resolve();
  const run = (work: Promise<void>, settle: (error?: Error) => void) => {
    busy = work.then(
      () => settle(),
      (error: unknown) => settle(fileError("write", path, error) as Error),
    );
  };
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, settle) => run(unpacking.take(chunk), settle),
    final: (settle) => run(unpacking.finish(), settle),
    // A write under way still needs the file that is released here.
    destroy(error, settle) {
      busy.then(() => unpacking.discard()).then(() => settle(error), settle);
    },
  });
  if (signal !== undefined) addAbortSignal(signal, stream);
  const done = finished(stream).catch((error: unknown) => {
    // The stream has wrapped the reason of an abort.
    signal?.throwIfAborted();
    throw error;
  });
  // A caller who destroys the stream need not look at the outcome.
  done.catch(() => undefined);
  return { stream, done };
}
