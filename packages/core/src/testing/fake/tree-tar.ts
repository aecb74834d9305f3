import { Readable, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { extract, type Headers, pack } from "tar-stream";
import { FileError } from "../../contract/errors.ts";
import { type FakeTree, fileNode, folderNode, linkNode, split, type TreeNode } from "./tree.ts";

/** The tree below `node` as a tar: names relative to it, `"."` for itself, parents before what they hold. */
export function packNode(node: TreeNode): Readable {
  const archive = pack();
  const add = async (entry: TreeNode, name: string): Promise<void> => {
    const header = { name, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: new Date(entry.mtime) };
    switch (entry.type) {
      case "file":
        return await put(archive, { ...header, type: "file" }, entry.content);
      case "symlink":
        return await put(archive, { ...header, type: "symlink", linkname: entry.target });
      case "directory":
        await put(archive, { ...header, type: "directory" });
        for (const child of [...entry.entries.keys()].sort()) {
          const found = entry.entries.get(child);
          if (found !== undefined) await add(found, name === "." ? child : `${name}/${child}`);
        }
        return;
      case "fifo":
        return await put(archive, { ...header, type: "fifo" });
      default:
        // Sockets and devices are left out, for nothing could be done with them elsewhere.
        return;
    }
  };
  add(node, ".").then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error as Error),
  );
  // One of Node's: tar-stream's own are those of the package `streamx`, whose errors after the end of a loop nobody
  // hears.
  const stream = Readable.from(chunksOf(archive), { objectMode: false });
  stream.once("close", () => archive.destroy());
  return stream;
}

// Readable.from() throws a reader's error into what it iterates; it must end here, for the entries under way have no
// listener for it.
async function* chunksOf(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of archive) yield chunk;
}

function put(archive: ReturnType<typeof pack>, header: Headers, content: Buffer = Buffer.alloc(0)): Promise<void> {
  return new Promise((resolve, reject) => {
    // A reader that went away calls nothing back.
    const gone = () => reject(new Error("the reader of the tree went away"));
    archive.once("close", gone);
    archive.entry({ ...header, size: content.length }, content, (error) => {
      archive.off("close", gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Takes a tar and puts what is in it at `path`: folders are merged, everything else replaced. */
export function unpackInto(tree: FakeTree, path: string): { readonly stream: Writable; readonly done: Promise<void> } {
  const archive = extract();
  archive.on("entry", (header, content, next) => {
    buffer(content as unknown as Readable)
      .then((bytes) => {
        unpackEntry(tree, path, header, bytes);
        next();
      })
      .catch((error: unknown) => next(error));
  });
  const stream = archive as unknown as Writable;
  const done = finished(stream);
  done.catch(() => undefined);
  return { stream, done };
}

function unpackEntry(tree: FakeTree, root: string, header: Headers, content: Buffer): void {
  const names = split(header.name);
  const path = [root === "/" ? "" : root, ...names].join("/") || "/";
  if (names.includes("..")) throw new FileError({ verb: "write", path, errno: "EINVAL", detail: "it leaves the tree" });
  const { folder, name, node } = tree.place("write", path, { follow: false });
  const facts = {
    mode: header.mode ?? 0o644,
    uid: header.uid ?? 0,
    gid: header.gid ?? 0,
    mtime: modified(header),
  };
  if (header.type === "directory") {
    if (node?.type === "directory") Object.assign(node, facts);
    else if (node === undefined) folder.entries.set(name, folderNode(facts));
    else throw new FileError({ verb: "write", path, errno: "ENOTDIR" });
    return;
  }
  if (node?.type === "directory") throw new FileError({ verb: "write", path, errno: "EISDIR" });
  if (header.type === "symlink") folder.entries.set(name, linkNode(header.linkname ?? "", { ...facts, mode: 0o777 }));
  else if (header.type === "fifo") folder.entries.set(name, { type: "fifo", ...facts });
  else if (header.type === "file") folder.entries.set(name, fileNode(content, facts));
  else throw new FileError({ verb: "write", path, errno: "EINVAL", detail: `an entry of type ${header.type}` });
}

/**
 * A pax record wins over the header, which has whole seconds; tar-stream leaves that to its reader, and its types do
 * not tell.
 */
function modified(header: Headers & { readonly pax?: Readonly<Record<string, string>> | null }): number {
  const record = header.pax?.["mtime"];
  return record === undefined ? (header.mtime?.getTime() ?? Date.now()) : Math.round(Number(record) * 1000);
}
