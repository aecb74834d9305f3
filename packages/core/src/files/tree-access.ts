import type { FileCalls } from "./file-calls.ts";

/** An owner as the tree itself counts: for a container, ids inside it. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * One folder of a tree, held open: a name in it means the same place however the tree is renamed or relinked meanwhile.
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
   * Opens a regular file for reading, following symlinks, and returns the descriptor. Never waits: what is no regular
   * file is refused with `EINVAL` (`EISDIR` for a folder) before it is opened.
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
   * Runs `act`, which removes what is at `name` in the folder or puts something else there: rename, link, unlink,
   * rmdir.
   * @throws `EBUSY` where something is mounted: from outside, the kernel would unmount it inside.
   */
  change<T>(folder: FolderHandle, name: string | Buffer, act: () => T): T;
  /** Whether something is mounted at `name` in the folder. @throws `ENOENT` */
  isMountPoint(folder: FolderHandle, name: string | Buffer): boolean;
  /** The owner inside of something whose ids on the host are these. */
  inside(owner: Owner): Owner;
  /** Whether something with these ids on the host belongs to somebody in the tree. */
  owns(owner: Owner): boolean;
  /**
   * Without them times are true to the microsecond, files come without holes, and one that is being written has a
   * temporary name, which stays when this process is killed.
   */
  readonly calls?: FileCalls | undefined;
}
