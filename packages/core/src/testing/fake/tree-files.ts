import { Readable, Writable } from "node:stream";
import type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  MkdirOptions,
  OwnerOptions,
  RemoveOptions,
} from "../../contract/files.ts";
import { FileError } from "../../errors/all.ts";
import { destroyOnAbort } from "../../files/destroy-on-abort.ts";
import type { Owner } from "../../files/tree-access.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { type FakeTree, folderNode, refuseOther, statOf, type TreeNode } from "./tree.ts";
import { packNode, unpackInto } from "./tree-tar.ts";

const CHUNK = 64 * 1024;

/** The contract's file operations over a tree in memory. */
export class FakeFiles implements FileOperations {
  readonly #tree: FakeTree;
  readonly #owner: () => Owner;

  /** `owner`: the default owner of what is created. Default 0:0. */
  constructor(tree: FakeTree, owner: () => Owner = () => ({ uid: 0, gid: 0 })) {
    this.#tree = tree;
    this.#owner = owner;
  }

  async owner(): Promise<Owner> {
    const { uid, gid } = this.#owner();
    return { uid, gid };
  }

  async read(path: string, options: Abortable): Promise<Readable> {
    const content = this.#tree.content("read", path);
    return abortable(Readable.from(chunks(content), { objectMode: false, highWaterMark: CHUNK }), options);
  }

  async write(path: string, options: OwnerOptions) {
    const { node } = this.#tree.place("write", path.replace(/\/+$/, "") || "/", { follow: true });
    // Like open(2) with O_CREAT.
    if (path.endsWith("/")) throw new FileError({ verb: "write", path, errno: "EISDIR" });
    refuseOther(path, node);
    const owner = this.#owner();
    const parts: Buffer[] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        parts.push(chunk);
        done();
      },
      final: (done) => {
        try {
          this.#tree.write(path, Buffer.concat(parts), ownerOf(options, node ?? { ...owner, mode: 0o644 }));
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    });
    return { stream: abortable(stream, options), done: settled(stream, options) };
  }

  async stat(path: string): Promise<FileStat> {
    return statOf(path.endsWith("/") ? this.#tree.node("stat", path) : this.#present("stat", path));
  }

  async list(path: string, options: Abortable): Promise<Readable> {
    const node = this.#tree.node("list", path);
    if (node.type !== "directory") throw new FileError({ verb: "list", path, errno: "ENOTDIR" });
    const entries: DirectoryEntry[] = [...node.entries].map(([name, entry]) => ({ name, ...statOf(entry) }));
    return abortable(Readable.from(entries), options);
  }

  async mkdir(path: string, options: MkdirOptions): Promise<void> {
    const facts = ownerOf(options, { ...this.#owner(), mode: 0o755 });
    if (options.recursive) {
      this.#tree.makeFolders(path, facts);
      return;
    }
    const { folder, name, node } = this.#tree.place("mkdir", path, { follow: false });
    if (node !== undefined) throw new FileError({ verb: "mkdir", path, errno: "EEXIST" });
    folder.entries.set(name, folderNode(facts));
  }

  async remove(path: string, options: RemoveOptions): Promise<void> {
    if (options.recursive && this.#absent(path)) return;
    const { folder, name } = this.#tree.place("remove", path, { follow: false });
    if (name === ".") {
      const detail = folder === this.#tree.root ? { detail: "it is the root" } : {};
      // The folder itself stays.
      const canEmpty =
        options.recursive && folder !== this.#tree.root && ![...folder.entries.values()].some(holdsMount);
      if (!canEmpty) throw new FileError({ verb: "remove", path, errno: "EBUSY", ...detail });
      folder.entries.clear();
      return;
    }
    const node = this.#present("remove", path);
    if (node.type !== "directory" && path.endsWith("/"))
      throw new FileError({ verb: "remove", path, errno: "ENOTDIR" });
    if (node.type === "directory" && node.entries.size > 0 && !options.recursive)
      throw new FileError({ verb: "remove", path, errno: "ENOTEMPTY" });
    if (holdsMount(node)) throw new FileError({ verb: "remove", path, errno: "EBUSY" });
    folder.entries.delete(name);
  }

  async readTree(path: string, options: Abortable): Promise<Readable> {
    const node = this.#present("read", path);
    if (node.type !== "file" && node.type !== "directory" && node.type !== "symlink")
      throw new FileError({ verb: "read", path, errno: "EINVAL" });
    return abortable(packNode(node), options);
  }

  async writeTree(path: string, options: Abortable) {
    this.#tree.place("write", path, { follow: false });
    const { stream, done } = unpackInto(this.#tree, path);
    addAbort(stream, options);
    return { stream, done };
  }

  #present(verb: string, path: string): TreeNode {
    const { node } = this.#tree.place(verb, path, { follow: false });
    if (node === undefined) throw new FileError({ verb, path, errno: "ENOENT" });
    return node;
  }

  #absent(path: string): boolean {
    try {
      return this.#tree.place("remove", path, { follow: false }).node === undefined;
    } catch (error) {
      if (error instanceof FileError && error.errno === "ENOENT") return true;
      throw error;
    }
  }
}

function holdsMount(node: TreeNode): boolean {
  return node.type === "directory" && (node.mounted === true || [...node.entries.values()].some(holdsMount));
}

function ownerOf(options: OwnerOptions, { uid, gid, mode }: Pick<TreeNode, "uid" | "gid" | "mode">) {
  return { uid: options.uid ?? uid, gid: options.gid ?? gid, mode: options.mode ?? mode };
}

function* chunks(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += CHUNK) yield content.subarray(at, at + CHUNK);
}

function abortable<T extends Readable | Writable>(stream: T, options: Abortable): T {
  addAbort(stream, options);
  return stream;
}

function addAbort(stream: Readable | Writable, { signal }: Abortable): void {
  // A reader still sees the failure. Without a reader, after an abort, it must not be an uncaught error.
  stream.on("error", () => undefined);
  destroyOnAbort(stream, signal);
}

function settled(stream: Writable, { signal }: Abortable): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    stream.once("close", () => {
      if (stream.writableFinished || stream.errored === null) resolve();
      else reject(signal?.aborted ? signal.reason : stream.errored);
    });
  });
  // A caller that destroys the stream may ignore `done`.
  done.catch(() => undefined);
  return done;
}
