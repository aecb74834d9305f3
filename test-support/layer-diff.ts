import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import { pipeline } from "node:stream/promises";
import { extract, type Headers, pack } from "tar-stream";

/** What distinguishes two entries of the same name: everything except the time. */
async function contentsOf(file: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  const entries = extract();
  const reading = pipeline(createReadStream(file), entries);
  for await (const entry of entries) {
    const hash = createHash("sha256");
    const { name, type, mode, uid, gid, linkname } = entry.header;
    hash.update(JSON.stringify([type, mode, uid, gid, linkname]));
    for await (const chunk of entry) hash.update(chunk as Buffer);
    contents.set(normal(name), hash.digest("hex"));
  }
  await reading;
  return contents;
}

function normal(name: string): string {
  return join("/", name);
}

/** Writes the OCI layer (image-spec, layer.md "Change Types") that turns the tar `base` into the tar `full`. */
export async function writeLayerDiff(base: string, full: string, target: string): Promise<void> {
  const [before, after] = [await contentsOf(base), await contentsOf(full)];
  const layer = pack();
  const writing = pipeline(layer, createWriteStream(target));
  for (const name of before.keys()) {
    if (after.has(name) || !after.has(dirname(name))) continue;
    const whiteout: Headers = { name: join(".", dirname(name), `.wh.${basename(name)}`), mode: 0o644 };
    layer.entry(whiteout, "");
  }
  const entries = extract();
  const reading = pipeline(createReadStream(full), entries);
  for await (const entry of entries) {
    if (before.get(normal(entry.header.name)) === after.get(normal(entry.header.name))) {
      entry.resume();
      continue;
    }
    const sink = layer.entry(entry.header);
    if (entry.header.type === "file") await pipeline(entry, sink);
    else {
      entry.resume();
      sink.end();
    }
  }
  await reading;
  layer.finalize();
  await writing;
}
