import { randomUUID } from "node:crypto";
import { closeSync, constants, fchmodSync, openSync, renameSync, unlinkSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import { writeMounted } from "./mounted-file.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";

/** A name in a folder that nothing else uses, for what will be renamed into place. */
export function temporaryName(): string {
  // randomUUID() uses cached entropy; randomBytes() asks the kernel each time.
  return `.pileus-${randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

/** A new file that is not in place yet: write through `fd`, then call `commit()` or `discard()`. */
export interface PendingFile {
  /** For reading and writing. The opener of the file closes it, after `commit()` or `discard()`. */
  readonly fd: number;
  /**
   * Puts the file in place atomically. If a file is mounted there, copies the content into that file, which takes a
   * while. After a failure, call `discard()`.
   */
  commit(): Promise<void>;
  /** Never fails because of what is in the tree: its callers have no way to report that. */
  discard(): void;
}

/** The owner and mode of a new file. */
type FileFacts = Owner & { readonly mode: number };

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = constants;
/** open(2): a file without a name, which disappears with its last descriptor. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;

/**
 * Opens a file that is to become `name` in `folder`, which must stay open until commit or discard. While its content
 * arrives, the file has no name, so that nothing is left if this process is killed. On a file system without such files
 * it has a temporary name.
 */
export function openPending(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  facts: FileFacts,
): PendingFile {
  return openNameless(access, folder, name, facts) ?? openTemporary(access, folder, name, facts);
}

/**
 * The same for a file that may be seen in part: a new file has its final name from the beginning. An existing file is
 * still replaced atomically.
 */
export function openInPlace(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  facts: FileFacts,
): PendingFile {
  const path = folder.path(name);
  try {
    const fd = createFile(access, path, facts);
    return { fd, commit: async () => undefined, discard: () => removeOurs(path) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return openPending(access, folder, name, facts);
  }
}

function openNameless(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  facts: FileFacts,
): PendingFile | undefined {
  const { calls } = access;
  if (calls === undefined) return undefined;
  let fd: number;
  try {
    fd = access.createFile(facts, () => openSync(folder.path("."), O_RDWR | O_TMPFILE, 0o600));
  } catch (error) {
    // EOPNOTSUPP, as Node names it.
    if ((error as NodeJS.ErrnoException).code === "ENOTSUP") return undefined;
    throw error;
  }
  setMode(fd, facts.mode);
  const put = () => {
    if (calls.giveName(fd, folder.path(name))) return;
    // linkat(2) cannot replace an existing file: the new file has a temporary name for a moment.
    const at = folder.path(temporaryName());
    if (!calls.giveName(fd, at)) throw systemError("EEXIST", at.toString());
    renameOrRemove(at, folder.path(name));
  };
  return { fd, commit: async () => void (await commitAt(access, folder, name, fd, put)), discard: () => undefined };
}

function openTemporary(access: TreeAccess, folder: FolderHandle, name: string | Buffer, facts: FileFacts): PendingFile {
  const path = folder.path(temporaryName());
  const fd = createFile(access, path, facts);
  const put = () => renameSync(path, folder.path(name));
  const discard = () => removeOurs(path);
  return {
    fd,
    async commit() {
      if ((await commitAt(access, folder, name, fd, put)) === "copied") discard();
    },
    discard,
  };
}

/** Calls `put` to put a file at `name`, or copies it into the file that is mounted there. */
async function commitAt(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  fd: number,
  put: () => void,
): Promise<"put" | "copied"> {
  try {
    access.change(folder, name, put);
    return "put";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    await writeMounted(access, folder, name, fd);
    return "copied";
  }
}

/** rename(2) of our own temporary file, which is removed if that fails. */
function renameOrRemove(at: Buffer, to: Buffer): void {
  try {
    renameSync(at, to);
  } catch (error) {
    removeOurs(at);
    throw error;
  }
}

function createFile(access: TreeAccess, path: Buffer, facts: FileFacts): number {
  const fd = access.createFile(facts, () => openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  try {
    setMode(fd, facts.mode);
    return fd;
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

/** Sets the mode. Call it after the owner is set: a change of owner drops setuid. Closes the file if it fails. */
function setMode(fd: number, mode: number): void {
  try {
    fchmodSync(fd, mode);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function removeOurs(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // A process in the tree may have put a folder in its place, or made this folder immutable: nothing of ours is
    // there.
    if (typeof (error as NodeJS.ErrnoException).errno !== "number") throw error;
  }
}
