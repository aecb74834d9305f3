import type { FileCalls } from "./file-calls.ts";

/** An owner with the tree's own ids: for a container, ids inside it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * One folder of a tree, held open: a name in it means the same place even if the tree is renamed or relinked meanwhile.
 */
export interface FolderHandle extends Disposable {
  /** The open folder itself. The handle owns it. */
  readonly fd: number;
  /**
   * A path of the host that reaches `name` in this folder, as bytes. Only the last component can be a symlink: use
   * calls that do not follow one. Valid until disposed. `name` is one component, as bytes or as the text that stands
   * for them (byte-name.ts), or `"."` for the folder itself.
   */
  path(name: string | Buffer): Buffer;
}

/** How {@link LocalFiles} reaches a tree of files: plainly, or contained so that a hostile tree cannot lead outside. */
export interface TreeAccess {
  /**
   * Opens the folder at an absolute path of the tree, in the text that stands for its bytes (byte-name.ts); symlinks on
   * the way are followed as seen from inside.
   * @throws a Node-style error with `code` (`ENOENT`, `ENOTDIR`, `ELOOP` …).
   */
  openFolder(path: string): FolderHandle;
  /**
   * Opens a regular file for reading, following symlinks, and returns the descriptor. Never waits: other things are
   * refused with `EINVAL` (`EISDIR` for a folder) before they are opened.
   */
  openFile(path: string): number;
  /**
   * Runs `make`, which creates a thing at `path`, so that it belongs to `owner`. `path` is one of {@link
   * FolderHandle.path}.
   */
  create<T>(path: Buffer, owner: Owner, make: () => T): T;
  /** The same for `open`, which makes a file and returns its descriptor. The file need not have a name. */
  createFile(owner: Owner, open: () => number): number;
  /**
   * Runs `act`, which removes or replaces what is at `name` in the folder: rename, link, unlink, rmdir.
   * @throws `EBUSY` if something is mounted there: from outside, the kernel would unmount it inside.
   */
  change<T>(folder: FolderHandle, name: string | Buffer, act: () => T): T;
  /** Whether something is mounted at `name` in the folder. @throws `ENOENT` */
  isMountPoint(folder: FolderHandle, name: string | Buffer): boolean;
  /** The owner inside the tree for these ids of the host. */
  inside(owner: Owner): Owner;
  /** Whether the tree has an owner for these ids of the host. */
  owns(owner: Owner): boolean;
  /**
   * The value of `security.capability` that gives a new file of the tree these capabilities only inside the tree.
   * `undefined` if its files get none. `value` is that of a file of the host: VFS_CAP_REVISION_2 of capabilities(7).
   */
  capability(value: Buffer): Buffer | undefined;
  /**
   * Without them times are exact to the microsecond, files have no holes and no extended attributes, and a file that is
   * being written has a temporary name, which stays if this process is killed.
   */
  readonly calls?: FileCalls | undefined;
}
