import type { FileStat, FileType } from "../../contract/files.ts";
import { FileError } from "../../errors/all.ts";
import { mtimeMilliseconds } from "../../tar/time.ts";
import { nameBytes, nameText } from "../../text/byte-name.ts";

interface NodeFacts {
  mode: number;
  uid: number;
  gid: number;
  /** Nanoseconds since the epoch. */
  mtimeNs: bigint;
  /** Extended attributes, byte strings. */
  readonly xattrs?: ReadonlyMap<string, string>;
}

/** Content is replaced, never modified: an earlier reader keeps the old content. */
export interface FileNode extends NodeFacts {
  readonly type: "file";
  content: Buffer;
}
export interface FolderNode extends NodeFacts {
  readonly type: "directory";
  readonly entries: Map<string, TreeNode>;
  /** Whether something is mounted there: then it cannot be removed. */
  mounted?: boolean;
}
export interface LinkNode extends NodeFacts {
  readonly type: "symlink";
  readonly target: string;
}
export interface SpecialNode extends NodeFacts {
  readonly type: Exclude<FileType, "file" | "directory" | "symlink">;
}
export type TreeNode = FileNode | FolderNode | LinkNode | SpecialNode;

/** A place in the tree: a name in a folder, whether it exists or not. */
export interface Place {
  readonly folder: FolderNode;
  readonly name: string;
  readonly node: TreeNode | undefined;
}

/** The limit of the kernel: path_resolution(7). */
const MAX_LINKS = 40;

export function folderNode(facts: Partial<NodeFacts> = {}): FolderNode {
  return { type: "directory", entries: new Map(), mode: 0o755, uid: 0, gid: 0, mtimeNs: now(), ...facts };
}
export function fileNode(content: Buffer, facts: Partial<NodeFacts> = {}): FileNode {
  return { type: "file", content, mode: 0o644, uid: 0, gid: 0, mtimeNs: now(), ...facts };
}
export function linkNode(target: string, facts: Partial<NodeFacts> = {}): LinkNode {
  return { type: "symlink", target, mode: 0o777, uid: 0, gid: 0, mtimeNs: now(), ...facts };
}

/** The files of a fake instance, in memory. Permissions are stored but not enforced. */
export class FakeTree {
  readonly root: FolderNode = folderNode();

  /**
   * Resolves an absolute path. Every folder on the way must exist; symlinks on the way are followed, and the last one
   * with `follow`. @throws {FileError} `ENOENT`, `ENOTDIR`, `ELOOP`; `EINVAL` for a path that is not absolute.
   */
  place(verb: string, path: string, options: { readonly follow: boolean }): Place {
    const fail = (errno: string) => new FileError({ verb, path, errno });
    if (!path.startsWith("/")) throw fail("EINVAL");
    let names = steps(path);
    // The folders from the root to the current one, so that ".." cannot leave the root.
    const trail: FolderNode[] = [this.root];
    for (let links = 0; ; ) {
      const folder = trail.at(-1) ?? this.root;
      const name = names.shift();
      if (name === undefined) return { folder, name: ".", node: folder };
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      if (name === ".") continue;
      const node = folder.entries.get(name);
      const last = names.length === 0;
      if (node?.type === "symlink" && (!last || options.follow)) {
        links += 1;
        if (links > MAX_LINKS) throw fail("ELOOP");
        if (node.target.startsWith("/")) trail.splice(1);
        names = [...steps(node.target), ...names];
      } else if (last) {
        if (path.endsWith("/") && node !== undefined && node.type !== "directory") throw fail("ENOTDIR");
        return { folder, name, node };
      } else if (node === undefined) throw fail("ENOENT");
      else if (node.type !== "directory") throw fail("ENOTDIR");
      else trail.push(node);
    }
  }

  /** The node at the path; symlinks are followed. @throws {FileError} */
  node(verb: string, path: string): TreeNode {
    const { node } = this.place(verb, path, { follow: true });
    if (node === undefined) throw new FileError({ verb, path, errno: "ENOENT" });
    return node;
  }

  /** The same, but `undefined` when nothing is there. */
  find(path: string): TreeNode | undefined {
    try {
      return this.node("find", path);
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }

  /** The content of a file. @throws {FileError} */
  content(verb: string, path: string): Buffer {
    return this.file(verb, path).content;
  }

  /** The node of a regular file. @throws {FileError} */
  file(verb: string, path: string): FileNode {
    const node = this.node(verb, path);
    if (node.type === "file") return node;
    throw new FileError({ verb, path, errno: node.type === "directory" ? "EISDIR" : "EINVAL" });
  }

  /** Writes a file, and replaces an existing one; follows symlinks. @throws {FileError} */
  write(path: string, content: Buffer, facts: Partial<NodeFacts> = {}): void {
    const { folder, name, node } = this.place("write", path, { follow: true });
    refuseOther(path, node);
    folder.entries.set(name, fileNode(content, facts));
    folder.mtimeNs = now();
  }

  /** Creates a folder and its missing parents (with mode 0755), and returns it. @throws {FileError} */
  makeFolders(path: string, facts: Partial<NodeFacts> = {}): FolderNode {
    const names = split(path);
    for (let depth = 1; depth <= names.length; depth++) {
      const at = `/${names.slice(0, depth).join("/")}`;
      const place = this.place("mkdir", at, { follow: true });
      const { mode = 0o755, ...owner } = facts;
      const made = folderNode({ ...owner, mode: depth === names.length ? mode : 0o755 });
      if (place.node === undefined) place.folder.entries.set(place.name, made);
      else if (place.node.type !== "directory")
        throw new FileError({ verb: "mkdir", path, errno: depth === names.length ? "EEXIST" : "ENOTDIR" });
    }
    const made = this.node("mkdir", path);
    if (made.type !== "directory") throw new FileError({ verb: "mkdir", path, errno: "ENOTDIR" });
    return made;
  }
}

/** A write replaces only a regular file. @throws {FileError} */
export function refuseOther(path: string, node: TreeNode | undefined): void {
  if (node === undefined || node.type === "file") return;
  throw new FileError({ verb: "write", path, errno: node.type === "directory" ? "EISDIR" : "EINVAL" });
}

export function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

/** The names in a path, each in the canonical text of its bytes. */
export function split(path: string): string[] {
  return nameText(nameBytes(path))
    .split("/")
    .filter((part) => part !== "" && part !== ".");
}

/** As {@link split}, with the `.` at the end of a path, which names the folder itself: path_resolution(7). */
function steps(path: string): string[] {
  return /(^|\/)\.\/*$/.test(path) ? [...split(path), "."] : split(path);
}

export function statOf(node: TreeNode): FileStat {
  const { type, mode, uid, gid } = node;
  const mtime = mtimeMilliseconds(node.mtimeNs);
  const size = type === "file" ? node.content.length : type === "symlink" ? nameBytes(node.target).length : 0;
  return {
    type,
    size,
    mode,
    uid,
    gid,
    mtime,
    mtimeNs: node.mtimeNs,
    ...(type === "symlink" ? { target: node.target } : {}),
  };
}
