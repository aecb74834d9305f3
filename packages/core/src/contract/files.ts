import type { Readable, Writable } from "node:stream";
import type { Abortable, ProgressOptions } from "./abortable.ts";

/** What kind of file a path names; a symlink is not followed. */
export type FileType = "file" | "directory" | "symlink" | "fifo" | "socket" | "character-device" | "block-device";

/** What the instance knows of one of its files. Ids are those *inside* the instance. */
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
  /** The same in nanoseconds, as exact as the instance keeps it. */
  readonly mtimeNs: bigint;
  /** Where a symlink points, as it is written in it. */
  readonly target?: string | undefined;
}

export interface DirectoryEntry extends FileStat {
  /** The name in its folder, without a slash. */
  readonly name: string;
}

/**
 * Owner and mode of what is made. Default owner: the user that `exec` runs programs as by default, so the user of an
 * application container's image or configuration, and 0:0 elsewhere. An id that the instance does not have is refused with `EINVAL` and
 * the range of its ids: those of a container are 0 to 65535.
 */
export interface OwnerOptions extends Abortable {
  /** The user inside that owns it. */
  readonly uid?: number | undefined;
  /** The group inside that owns it. */
  readonly gid?: number | undefined;
  /** Default 0o644 for a file, 0o755 for a folder. */
  readonly mode?: number | undefined;
}

/** Options of reading the whole of a file at once. */
export interface ReadAllOptions extends Abortable {
  /** Bytes. Default 16 MiB. */
  readonly maxSize?: number | undefined;
}

/** Options of {@link InstanceFiles.mkdir}. */
export interface MkdirOptions extends OwnerOptions {
  /** Makes parents too, and is content with a folder that is there. Default false. */
  readonly recursive?: boolean | undefined;
}

/** Options of {@link InstanceFiles.remove}. */
export interface RemoveOptions extends Abortable {
  /** Removes what a folder holds, and is content where nothing is. Default false. */
  readonly recursive?: boolean | undefined;
}

/** Options of {@link InstanceFiles.push}. */
export interface PushOptions extends ProgressOptions {
  /**
   * Copies what symlinks lead to in their place, the source itself if it is one, as `cp -rL` does. One that leads
   * nowhere fails with `ENOENT`, a circle with `ELOOP`. Default false: symlinks are copied as they are.
   */
  readonly dereference?: boolean | undefined;
  /** The owner of all that arrives. Default as in {@link OwnerOptions}; modes and times are those of the host's files. */
  readonly uid?: number | undefined;
  /** The group of all that arrives. */
  readonly gid?: number | undefined;
}

/**
 * The files of a running instance. Paths are absolute and inside; a symlink that is followed inside cannot lead
 * outside. No tool is needed inside. A failure is a {@link FileError} with the system's error name.
 *
 * Names, paths and targets of symlinks are bytes to Linux. As text they are their UTF-8; each byte that is part of no
 * character is a lone surrogate, U+DC80 to U+DCFF for 0x80 to 0xff (PEP 383, as Python's `os.fsdecode` has it). What
 * `list` and `stat` tell is a path that reaches the same file.
 *
 * `/proc` and `/sys` are what the kernel answers to the process that reads. For a container that is a process of the
 * host: `/proc/self` and what leads through it (`/proc/mounts`, `/proc/net`, `/etc/mtab`) are not there (`ENOENT`;
 * `/proc/1/mounts` is), and the links from `/proc/PID` to roots, folders and files are refused (`ELOOP`), for they
 * could lead outside. For a virtual machine it is the agent, as root. A program that `exec` runs sees its own. A file
 * that the kernel lets nobody read fails a pull of its folder.
 */
export interface InstanceFiles {
  /**
   * Streams a file's content. Devices, fifos and sockets are refused with `EINVAL`. The caller ends the stream; an
   * abort destroys it with `signal.reason`.
   */
  read(path: string, options?: Abortable): Promise<Readable>;
  /** The whole of a file at once, of at most `maxSize` bytes (default 16 MiB, beyond it `EFBIG`). */
  readAll(path: string, options?: ReadAllOptions): Promise<Buffer>;
  /** The same as text, from UTF-8; what is none becomes U+FFFD. */
  readText(path: string, options?: ReadAllOptions): Promise<string>;
  /**
   * Writes a file from the beginning, atomically: readers see the old content or the whole new one. Resolves when it is
   * in place. An abort or a failing source leaves the old content and no temporary file; so does the end of this
   * process, where the file system inside knows O_TMPFILE (ext4, xfs, btrfs, tmpfs, overlayfs from Linux 6.1 on).
   * Parents must exist. A file that is there keeps its owner and mode, unless others are given.
   *
   * A file that is mounted in the place of another (`mount -o bind`) cannot be replaced: the content is copied into it
   * once all of it has arrived, and readers may see a part. It must be the instance's own: else `EBUSY`, as for a file
   * of a kernel's file system.
   */
  write(path: string, data: string | Uint8Array | AsyncIterable<Uint8Array>, options?: OwnerOptions): Promise<void>;
  /** The same with text, which is written as UTF-8. */
  writeText(path: string, text: string, options?: OwnerOptions): Promise<void>;
  /** Does not follow a symlink in the last component. */
  stat(path: string, options?: Abortable): Promise<FileStat>;
  /**
   * Whether `stat` finds something at the path: a symlink too that leads nowhere. False where nothing is (`ENOENT`) or
   * a file is in the place of a parent (`ENOTDIR`); any other failure rejects.
   */
  exists(path: string, options?: Abortable): Promise<boolean>;
  /**
   * The entries of a folder as they come, in no order, however many there are. Failures and an abort are thrown by the
   * loop; leaving the loop ends the listing.
   */
  list(path: string, options?: Abortable): AsyncIterable<DirectoryEntry>;
  /** The entries of a folder, sorted by name, and 250,000 at most: beyond it `EFBIG`. */
  listAll(path: string, options?: Abortable): Promise<readonly DirectoryEntry[]>;
  /**
   * Makes a folder; parents that `recursive` makes have the owner, and mode 0755. Fails with `EEXIST` where something
   * is, unless `recursive` finds a folder there; with `ENOTDIR` where a file is in the place of a parent.
   */
  mkdir(path: string, options?: MkdirOptions): Promise<void>;
  /**
   * Removes a file, a symlink itself, or an empty folder; a folder with all that it holds when `recursive`. `EBUSY`
   * where something is mounted: what that shows stays. Of the root nothing is removed.
   */
  remove(path: string, options?: RemoveOptions): Promise<void>;
  /**
   * Copies a file or folder of the host to exactly `path` inside: files, folders, symlinks (as they are), hard links
   * among them, holes, modes, and times to the nanosecond. The rest is left out, and so is what vanishes meanwhile.
   * Existing folders are merged and keep owner and mode, files replaced. A slash at the end asks for a folder. Aborting leaves what had arrived.
   * @throws {FileError} `EIO` when a file shrinks while it is read, `EINVAL` when `source` is a device, fifo or socket,
   * `EISDIR` where a file is to replace a folder, `ENAMETOOLONG` for names of more than 64 KiB below the tree.
   */
  push(source: string, path: string, options?: PushOptions): Promise<void>;
  /**
   * Copies a file or folder inside to exactly `target` on the host, owned by the caller, setuid bits dropped. Existing
   * folders are merged and keep their modes, files replaced. What it writes stays under `target` whatever the instance
   * sends, and whoever changes the place meanwhile: no symlink in it is followed, nor `target` itself if it is one.
   * It keeps what `push` keeps, and fails for the same reasons.
   * @throws {ProtocolError} when what the instance sends is no tree, or would lead through a symlink.
   */
  pull(path: string, target: string, options?: ProgressOptions): Promise<void>;
}

/**
 * What a driver supplies for {@link InstanceFiles}: the engine adds checks, whole-file calls, and both ends of trees on
 * the host. A tree travels as a tar stream (POSIX pax), whose entry names are relative to the tree's root; a single
 * file is one entry with the name `"."`.
 */
export interface FileOperations {
  /** The bytes of a regular file, from its start. The reader owns the stream; destroying it closes the file. */
  read(path: string, options: Abortable): Promise<Readable>;
  /** Finishing the stream puts the file in place, destroying it leaves nothing. Resolved `done` is after both. */
  write(path: string, options: OwnerOptions): Promise<{ readonly stream: Writable; readonly done: Promise<void> }>;
  /** Who owns what is made by `write`, `mkdir` and a push where nobody says. Default 0:0. */
  owner?(options: Abortable): Promise<{ readonly uid: number; readonly gid: number }>;
  /** What is known of a file. A symlink at the end of `path` is told of as itself. */
  stat(path: string, options: Abortable): Promise<FileStat>;
  /** The entries of a folder, without `.` and `..`: a stream in object mode, of one {@link DirectoryEntry} at a time. */
  list(path: string, options: Abortable): Promise<Readable>;
  /** Makes a folder. With `recursive`, also those above it, and one that is there already is no error. */
  mkdir(path: string, options: MkdirOptions): Promise<void>;
  /** Removes a file or an empty folder; with `recursive`, a folder with all in it. */
  remove(path: string, options: RemoveOptions): Promise<void>;
  /** The tree at `path` as tar. */
  readTree(path: string, options: Abortable): Promise<Readable>;
  /** Unpacks a tar written to `stream` at `path`; `done` settles when all of it is in place. */
  writeTree(path: string, options: Abortable): Promise<{ readonly stream: Writable; readonly done: Promise<void> }>;
}

/** Files inside. Of a virtual machine, to one process of the host at a time: see {@link CanExec}. */
export interface CanFiles {
  readonly files: InstanceFiles;
}
