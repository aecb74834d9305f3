import { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { FileError } from "../../contract/errors.ts";
import { byteString, type TarEntry, textOf } from "../../tar/entry.ts";
import { TarReader, type TarSink } from "../../tar/reader.ts";
import { TarWriter } from "../../tar/writer.ts";
import { type FakeTree, fileNode, folderNode, linkNode, split, type TreeNode } from "./tree.ts";

/** The tree below `node` as a tar: names relative to it, `"."` for itself, parents before what they hold. */
export function packNode(node: TreeNode): Readable {
  return Readable.from(chunksOf(node), { objectMode: false });
}

function* chunksOf(node: TreeNode): Generator<Buffer> {
  const writer = new TarWriter();
  for (const [entry, content] of entriesOf(node, ".")) {
    writer.entry(entry);
    writer.data(content);
    yield writer.take();
  }
  writer.end();
  yield writer.take();
}

const NOTHING = Buffer.alloc(0);

function* entriesOf(node: TreeNode, name: string): Generator<readonly [TarEntry, Buffer]> {
  const { mode, uid, gid } = node;
  const mtime = String(Math.floor(node.mtime / 1000));
  const facts = { name: byteString(name), target: "", mode, uid, gid, mtime, size: 0, xattrs: new Map() };
  switch (node.type) {
    case "file":
      yield [{ ...facts, type: "file", size: node.content.length }, node.content];
      return;
    case "symlink":
      yield [{ ...facts, type: "symlink", target: byteString(node.target) }, NOTHING];
      return;
    case "directory":
      yield [{ ...facts, type: "directory" }, NOTHING];
      for (const child of [...node.entries.keys()].sort()) {
        const found = node.entries.get(child);
        if (found !== undefined) yield* entriesOf(found, name === "." ? child : `${name}/${child}`);
      }
      return;
    case "fifo":
      yield [{ ...facts, type: "fifo" }, NOTHING];
      return;
    default:
      // Sockets and devices are left out, for nothing could be done with them elsewhere.
      return;
  }
}

/** Takes a tar and puts what is in it at `path`: folders are merged, everything else replaced. */
export function unpackInto(tree: FakeTree, path: string): { readonly stream: Writable; readonly done: Promise<void> } {
  const refusal = (fault: Error) => new FileError({ verb: "write", path, errno: "EINVAL", detail: fault.message });
  const reader = new TarReader(refusal, new Unpacking(tree, path));
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, settle) => attempt(() => reader.push(chunk), settle),
    final: (settle) => attempt(() => reader.end(), settle),
  });
  const done = finished(stream);
  done.catch(() => undefined);
  return { stream, done };
}

function attempt(step: () => void, settle: (error?: Error) => void): void {
  try {
    step();
  } catch (error) {
    settle(error as Error);
    return;
  }
  settle();
}

class Unpacking implements TarSink {
  readonly #tree: FakeTree;
  readonly #path: string;
  #file: { readonly entry: TarEntry; readonly parts: Buffer[]; left: number } | undefined;

  constructor(tree: FakeTree, path: string) {
    this.#tree = tree;
    this.#path = path;
  }

  entry(entry: TarEntry): void {
    if (entry.size > 0) this.#file = { entry, parts: [], left: entry.size };
    else unpackEntry(this.#tree, this.#path, entry, NOTHING);
  }

  data(bytes: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    // Copied: its stream may use the chunk again.
    file.parts.push(Buffer.from(bytes));
    file.left -= bytes.length;
    if (file.left === 0) unpackEntry(this.#tree, this.#path, file.entry, Buffer.concat(file.parts));
  }
}

function unpackEntry(tree: FakeTree, root: string, entry: TarEntry, content: Buffer): void {
  const names = split(textOf(entry.name));
  const path = [root === "/" ? "" : root, ...names].join("/") || "/";
  if (names.includes("..")) throw new FileError({ verb: "write", path, errno: "EINVAL", detail: "it leaves the tree" });
  const { folder, name, node } = tree.place("write", path, { follow: false });
  const { mode, uid, gid } = entry;
  const facts = { mode, uid, gid, mtime: Math.round(Number(entry.mtime) * 1000) };
  if (entry.type === "directory") {
    if (node?.type === "directory") Object.assign(node, facts);
    else if (node === undefined) folder.entries.set(name, folderNode(facts));
    else throw new FileError({ verb: "write", path, errno: "ENOTDIR" });
    return;
  }
  if (node?.type === "directory") throw new FileError({ verb: "write", path, errno: "EISDIR" });
  if (entry.type === "symlink") folder.entries.set(name, linkNode(textOf(entry.target), { ...facts, mode: 0o777 }));
  else if (entry.type === "fifo") folder.entries.set(name, { type: "fifo", ...facts });
  else if (entry.type === "file") folder.entries.set(name, fileNode(content, facts));
  else throw new FileError({ verb: "write", path, errno: "EINVAL", detail: `an entry of type ${entry.type}` });
}
