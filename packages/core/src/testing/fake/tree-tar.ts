import { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { FileError } from "../../errors/all.ts";
import { NO_XATTRS, travellingXattrs } from "../../files/xattrs.ts";
import { type Extent, storedSize, type TarEntry } from "../../tar/entry.ts";
import { TarReader, type TarSink } from "../../tar/reader.ts";
import { mtimeNanoseconds, mtimeText } from "../../tar/time.ts";
import { TarWriter } from "../../tar/writer.ts";
import { nameBytes, nameText } from "../../text/byte-name.ts";
import { type FakeTree, fileNode, folderNode, linkNode, split, type TreeNode } from "./tree.ts";

/** The tree below `node` as a tar: names are relative to it, `"."` is itself, parents come before their content. */
export function packNode(node: TreeNode): Readable {
  return Readable.from(chunksOf(node), { objectMode: false });
}

function* chunksOf(node: TreeNode): Generator<Buffer> {
  const writer = new TarWriter();
  const names = new Map<TreeNode, string>();
  for (const [entry, content] of entriesOf(node, ".", names)) {
    writer.entry(entry);
    for (const { offset, length } of entry.sparse ?? [{ offset: 0, length: content.length }])
      writer.data(content.subarray(offset, offset + length));
    yield writer.take();
  }
  writer.end();
  yield writer.take();
}

const NOTHING = Buffer.alloc(0);

/** `names` has the first name of each file: others are hard links to it. */
function* entriesOf(
  node: TreeNode,
  name: string,
  names: Map<TreeNode, string>,
): Generator<readonly [TarEntry, Buffer]> {
  const { mode, uid, gid, xattrs = NO_XATTRS } = node;
  const mtime = mtimeText(node.mtimeNs);
  const facts = { name: bytesOf(name), target: "", mode, uid, gid, mtime, size: 0, xattrs };
  const first = names.get(node);
  switch (node.type) {
    case "file":
      names.set(node, first ?? name);
      if (first !== undefined) yield [{ ...facts, type: "link", target: bytesOf(first) }, NOTHING];
      else {
        const { content } = node;
        yield [{ ...facts, type: "file", size: content.length, sparse: partsOf(content) }, content];
      }
      return;
    case "symlink":
      yield [{ ...facts, type: "symlink", target: bytesOf(node.target) }, NOTHING];
      return;
    case "directory":
      yield [{ ...facts, type: "directory" }, NOTHING];
      for (const child of [...node.entries.keys()].sort()) {
        const found = node.entries.get(child);
        if (found !== undefined) yield* entriesOf(found, name === "." ? child : `${name}/${child}`, names);
      }
      return;
    default:
      // Fifos, sockets and devices are left out: they are useless elsewhere.
      return;
  }
}

const HOLE = 64 * 1024;

/** The parts of a large file that are not all zeros. */
function partsOf(content: Buffer): readonly Extent[] | undefined {
  if (content.length <= HOLE) return undefined;
  const zeros = Buffer.alloc(HOLE);
  const parts: Extent[] = [];
  for (let offset = 0; offset < content.length; offset += HOLE) {
    const length = Math.min(HOLE, content.length - offset);
    if (content.compare(zeros, 0, length, offset, offset + length) !== 0) parts.push({ offset, length });
  }
  return parts;
}

// Conversions between a name in the tree and its byte string.
function bytesOf(name: string): string {
  return nameBytes(name).toString("latin1");
}
function textOf(bytes: string): string {
  return nameText(Buffer.from(bytes, "latin1"));
}

/** Unpacks a tar at `path`: folders are merged, everything else is replaced. */
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
    const left = storedSize(entry);
    if (left > 0) this.#file = { entry, parts: [], left };
    else unpackEntry(this.#tree, this.#path, entry, withHoles(entry, NOTHING));
  }

  data(bytes: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    // Copied: the stream may reuse the chunk.
    file.parts.push(Buffer.from(bytes));
    file.left -= bytes.length;
    if (file.left === 0)
      unpackEntry(this.#tree, this.#path, file.entry, withHoles(file.entry, Buffer.concat(file.parts)));
  }
}

function withHoles({ size, sparse }: TarEntry, stored: Buffer): Buffer {
  if (sparse === undefined) return stored;
  const content = Buffer.alloc(size);
  let at = 0;
  for (const { offset, length } of sparse) {
    stored.copy(content, offset, at, at + length);
    at += length;
  }
  return content;
}

function unpackEntry(tree: FakeTree, root: string, entry: TarEntry, content: Buffer): void {
  const names = split(textOf(entry.name));
  const path = [root === "/" ? "" : root, ...names].join("/") || "/";
  if (names.includes("..")) throw new FileError({ verb: "write", path, errno: "EINVAL", detail: "it leaves the tree" });
  const { folder, name, node } = tree.place("write", path, { follow: false });
  const { mode, uid, gid } = entry;
  const xattrs = travellingXattrs(entry, (detail) => new FileError({ verb: "write", path, errno: "EINVAL", detail }));
  const facts = { mode, uid, gid, mtimeNs: mtimeNanoseconds(entry.mtime), xattrs };
  if (entry.type === "directory") {
    // An existing folder stays as it is.
    if (node === undefined) folder.entries.set(name, folderNode(facts));
    else if (node.type !== "directory") throw new FileError({ verb: "write", path, errno: "ENOTDIR" });
    return;
  }
  if (names.length === 0 && root.endsWith("/")) throw new FileError({ verb: "write", path: root, errno: "EISDIR" });
  if (node?.type === "directory") throw new FileError({ verb: "write", path, errno: "EISDIR" });
  if (entry.type === "symlink") folder.entries.set(name, linkNode(textOf(entry.target), { ...facts, mode: 0o777 }));
  else if (entry.type === "link") folder.entries.set(name, tree.file("write", `${root}/${textOf(entry.target)}`));
  else if (entry.type === "file") folder.entries.set(name, fileNode(content, facts));
  else throw new FileError({ verb: "write", path, errno: "EINVAL", detail: `an entry of type ${entry.type}` });
}
