import type { Readable, Writable } from "node:stream";
import type { Abortable, ProgressOptions } from "../flow/abortable.ts";

/** The type of the file at a path; a symlink is not followed. */
export type FileType = "file" | "directory" | "symlink" | "fifo" | "socket" | "character-device" | "block-device";

/**
 * The metadata of a file. User and group ids are those *inside* the instance: 65534 for an owner whom a container has no
 * id for, such as that of the host's device nodes.
 */
export interface FileStat {
  readonly type: FileType;
  /** Bytes. */
  readonly size: number;
  /** Permission bits, `0o7777` at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
  /** The same in nanoseconds, as precise as the file system inside stores it. */
  readonly mtimeNs: bigint;
  /** The target of a symlink, exactly as the link stores it. */
  readonly target?: string | undefined;
}

export interface DirectoryEntry extends FileStat {
  /** The name in its folder, without a slash. */
  readonly name: string;
}

/**
 * Owner and mode of what is created. Default owner: the user that `exec` runs programs as by default. In an application
 * container that is the user of its image or configuration, elsewhere 0:0. A folder's setgid bit does not change the
 * group. An id that the instance does not have is refused with `EINVAL`, and the error names the valid range: 0 to 65535
 * for a container.
 */
export interface OwnerOptions extends Abortable {
  /** The owner, a user id inside. */
  readonly uid?: number | undefined;
  /** The group, a group id inside. */
  readonly gid?: number | undefined;
  /** Default 0o644 for a file, 0o755 for a folder. */
  readonly mode?: number | undefined;
}

/** Options of {@link InstanceFiles.readAll} and {@link InstanceFiles.readText}. */
export interface ReadAllOptions extends Abortable {
  /** The most bytes to read, at most 4 GiB; a longer file is refused. Default 16 MiB. */
  readonly maxSize?: number | undefined;
}

/** Options of {@link InstanceFiles.mkdir}. */
export interface MkdirOptions extends OwnerOptions {
  /** Creates missing parents too; an existing folder is not an error. Default false. */
  readonly recursive?: boolean | undefined;
}

/** Options of {@link InstanceFiles.remove}. */
export interface RemoveOptions extends Abortable {
  /** Removes a folder with its content; a missing path is not an error. Default false. */
  readonly recursive?: boolean | undefined;
}

/** Options of {@link InstanceFiles.push}. */
export interface PushOptions extends ProgressOptions {
  /**
   * Copies the targets of symlinks instead of the links, as `cp -rL` does; also when the source itself is a symlink. A
   * dangling symlink fails with `ENOENT`, a loop with `ELOOP`. Default false: symlinks are copied as links.
   */
  readonly dereference?: boolean | undefined;
  /**
   * The owner of everything that is copied. Default as in {@link OwnerOptions}. Modes and times are those of the host's
   * files.
   */
  readonly uid?: number | undefined;
  /** The group of everything that is copied. */
  readonly gid?: number | undefined;
}

/**
 * The files of a running instance. Paths are absolute and inside the instance; no symlink inside can lead outside. No
 * tool is needed inside. A failure is a {@link FileError} with the system's error name.
 *
 * To Linux, names, paths and targets of symlinks are bytes. Here they are text, decoded as UTF-8; each byte that is not
 * part of a character becomes a lone surrogate, U+DC80 to U+DCFF for 0x80 to 0xff (PEP 383, as in Python's
 * `os.fsdecode`). A name that `list` returns always reaches the same file.
 *
 * The content of `/proc` and `/sys` depends on the process that reads it. For a container that process is on the host:
 * `/proc/self` and what leads through it (`/proc/mounts`, `/proc/net`, `/etc/mtab`) do not exist (`ENOENT`;
 * `/proc/1/mounts` does), and the links from `/proc/PID` to roots, folders and files are refused (`ELOOP`), because
 * they could lead outside. For a virtual machine it is the agent, as root. A program that `exec` runs sees its own
 * `/proc/self`. A pull of a folder fails when the kernel lets no process read one of its files.
 */
export interface InstanceFiles {
  /**
   * Streams a file's content. Devices, fifos and sockets are refused with `EINVAL`. The caller must read the stream to
   * its end or destroy it; an abort destroys it with `signal.reason`.
   */
  read(path: string, options?: Abortable): Promise<Readable>;
  /** Reads a whole file of at most `maxSize` bytes (default 16 MiB); a larger one is refused with `EFBIG`. */
  readAll(path: string, options?: ReadAllOptions): Promise<Buffer>;
  /**
   * Reads a whole file as text, decoded as UTF-8; invalid bytes become U+FFFD. More than fits in a JavaScript string
   * (512 MiB) is refused with `EFBIG`, whatever `maxSize` is.
   */
  readText(path: string, options?: ReadAllOptions): Promise<string>;
  /**
   * Replaces the content of a file atomically: readers see all of the old content or all of the new. Resolves when the
   * new content is in place. An abort or a failing source leaves the old content and no temporary file; so does the end
   * of this process where the file system inside supports O_TMPFILE (ext4, xfs, btrfs, tmpfs, overlayfs of a recent Linux,
   * but not yet of 6.1). The parent folder must exist. An existing file keeps its owner and mode, unless others are given.
   *
   * A file that is itself a mount point (`mount -o bind`) cannot be replaced. The new content is copied into it once
   * all of it has arrived; meanwhile readers may see part of it. The file must belong to the instance: else the call
   * fails with `EBUSY`, as it does for a file of a kernel file system.
   */
  write(path: string, data: string | Uint8Array | AsyncIterable<Uint8Array>, options?: OwnerOptions): Promise<void>;
  /** Writes a text as {@link write} does, encoded as UTF-8. */
  writeText(path: string, text: string, options?: OwnerOptions): Promise<void>;
  /** The metadata of a file. A symlink in the last component is not followed. */
  stat(path: string, options?: Abortable): Promise<FileStat>;
  /**
   * Whether `stat` finds something at the path; a dangling symlink counts. False when nothing is there (`ENOENT`) or a
   * parent is not a folder (`ENOTDIR`); any other failure rejects.
   */
  exists(path: string, options?: Abortable): Promise<boolean>;
  /**
   * The entries of a folder, in any order, without a limit on their number. The loop throws failures and the reason of
   * an abort; leaving the loop ends the listing.
   */
  list(path: string, options?: Abortable): AsyncIterable<DirectoryEntry>;
  /** The entries of a folder, sorted by name. A folder of more than 250,000 entries is refused with `EFBIG`. */
  listAll(path: string, options?: Abortable): Promise<readonly DirectoryEntry[]>;
  /**
   * Creates a folder. Parents that `recursive` creates have the same owner and mode 0755. Fails with `EEXIST` when the
   * path exists, unless it is a folder and `recursive` is set, and with `ENOTDIR` when a parent is not a folder.
   */
  mkdir(path: string, options?: MkdirOptions): Promise<void>;
  /**
   * Removes a file, a symlink (not its target) or an empty folder; with `recursive`, a folder with its content. Fails
   * with `EBUSY` at a mount point and leaves what is mounted there. The root folder is refused.
   */
  remove(path: string, options?: RemoveOptions): Promise<void>;
  /**
   * Copies a file or folder of the host to exactly `path` inside: files, folders, symlinks (as links), hard links among
   * the copied files, holes, modes, times to the nanosecond, the extended attributes `user.*`, and file capabilities,
   * which hold only inside. Other attributes, POSIX ACLs, other types of files, and files that vanish meanwhile are left
   * out. So are attributes of a kind that the file system inside does not have. An existing folder is merged into and
   * keeps its owner, mode and attributes. An existing file is replaced, with its owner and mode, as `docker cp` does. A
   * `path` that ends with a slash must be a folder. An abort leaves what had arrived.
   * @throws {FileError} `EIO` when a file shrinks while it is read, `EINVAL` when `source` is a device, fifo or socket,
   * `EISDIR` when a file would replace a folder, `ENAMETOOLONG` for a path of more than 64 KiB below the copied folder,
   * `E2BIG` for a file with more than 1024 attributes or 512 KiB of them.
   */
  push(source: string, path: string, options?: PushOptions): Promise<void>;
  /**
   * Copies a file or folder inside to exactly `target` on the host. The caller owns the copies; setuid, setgid and
   * sticky bits and capabilities are removed. An existing folder is merged into and keeps its mode; an existing file is replaced.
   * Nothing is written outside `target`, whatever the instance sends and whatever changes there meanwhile: no symlink
   * below `target` is followed, nor `target` itself if it is one. It keeps what `push` keeps, and fails for the same
   * reasons.
   * @throws {ProtocolError} when the instance sends something that is not a valid tree, more attributes than `push`
   * takes, or a path through a symlink.
   */
  pull(path: string, target: string, options?: ProgressOptions): Promise<void>;
}

/**
 * What a driver supplies for {@link InstanceFiles}. The engine adds the checks, the whole-file calls, and the host's
 * side of `push` and `pull`. A tree travels as a tar stream (POSIX pax) whose entry names are relative to the root of
 * the tree; a single file is one entry with the name `"."`.
 */
export interface FileOperations {
  /** The bytes of a regular file, from its start. The reader owns the stream; destroying it closes the file. */
  read(path: string, options: Abortable): Promise<Readable>;
  /** Finishing `stream` puts the file in place; destroying it leaves nothing. `done` settles after either. */
  write(path: string, options: OwnerOptions): Promise<{ readonly stream: Writable; readonly done: Promise<void> }>;
  /** The owner of what `write`, `mkdir` and a push create when the call gives none. Default 0:0. */
  owner?(options: Abortable): Promise<{ readonly uid: number; readonly gid: number }>;
  /** The metadata of a file. A symlink in the last component is not followed. */
  stat(path: string, options: Abortable): Promise<FileStat>;
  /** The entries of a folder, without `.` and `..`: a stream in object mode, one {@link DirectoryEntry} each. */
  list(path: string, options: Abortable): Promise<Readable>;
  /** Creates a folder. With `recursive`, also its parents; an existing folder is then not an error. */
  mkdir(path: string, options: MkdirOptions): Promise<void>;
  /** Removes a file or an empty folder; with `recursive`, a folder with its content. */
  remove(path: string, options: RemoveOptions): Promise<void>;
  /** The tree at `path` as tar. */
  readTree(path: string, options: Abortable): Promise<Readable>;
  /** Unpacks a tar written to `stream` at `path`; `done` settles when all of it is in place. */
  writeTree(path: string, options: Abortable): Promise<{ readonly stream: Writable; readonly done: Promise<void> }>;
}

/** Files inside. Those of a virtual machine serve one process of the host at a time: see {@link CanExec}. */
export interface CanFiles {
  /** The files inside. */
  readonly files: InstanceFiles;
}
