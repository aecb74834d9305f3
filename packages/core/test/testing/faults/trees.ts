import { Readable } from "node:stream";
import { byteString, type TarEntry, textOf } from "../../../src/tar/entry.ts";
import { TarReader } from "../../../src/tar/reader.ts";
import { TarWriter } from "../../../src/tar/writer.ts";
import { withFiles } from "../broken.ts";
import type { Fault } from "./fault.ts";

/** A fault of trees that come out, entry by entry. */
function fault(what: string, seenBy: string, change: (entry: TarEntry) => TarEntry): Fault {
  return {
    what,
    seenBy: [`push and pull > ${seenBy}`],
    broken: (driver) =>
      withFiles(driver, (files) => ({
        readTree: async (path, options) => Readable.from(rewritten(await files.readTree(path, options), change)),
      })),
  };
}

async function* rewritten(archive: Readable, change: (entry: TarEntry) => TarEntry): AsyncGenerator<Buffer> {
  const writer = new TarWriter();
  const reader = new TarReader((found) => found, {
    entry: (entry) => writer.entry(change(entry)),
    data: (bytes) => writer.data(Buffer.from(bytes)),
  });
  for await (const chunk of archive as AsyncIterable<Buffer>) {
    reader.push(chunk);
    yield writer.take();
  }
  reader.end();
  writer.end();
  yield writer.take();
}

const WHOLE = "keep hard links, holes, and times to the nanosecond";

/** Of trees that are pulled. */
export const TREE_FAULTS: readonly Fault[] = [
  fault("returns times in whole seconds", WHOLE, (entry) => ({ ...entry, mtime: entry.mtime.replace(/\..*/, "") })),
  fault("makes empty files of hard links", WHOLE, (entry) =>
    entry.type === "link" ? { ...entry, type: "file", target: "" } : entry,
  ),
  fault("forgets extended attributes", "keep the extended attributes user.*, of files and folders", (entry) => ({
    ...entry,
    xattrs: new Map(),
  })),
  fault("puts U+FFFD in the place of bytes", "keep names that are not UTF-8, and distinguish them", (entry) => ({
    ...entry,
    name: byteString(textOf(entry.name)),
  })),
];
