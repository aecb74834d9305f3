import { randomUUID } from "node:crypto";
import { closeSync, constants, fchmodSync, openSync, renameSync, unlinkSync } from "node:fs";
import { writeMounted } from "./mounted-file.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";

/** A name in a folder that nothing else uses, for what will be renamed into place. */
export function temporaryName(): string {
  // Of a UUID: it draws on entropy in store, where randomBytes() asks the kernel each time.
  return `.pileus-${randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

/** A new file that is not in place yet: written through `fd`, then kept by `commit()` or given up by `discard()`. */
export interface PendingFile {
  /** For reading and writing. Whoever opened the file closes it, after `commit()` or `discard()`. */
  readonly fd: number;
  /**
   * Puts it in place at once; where a file is mounted, into that file, which takes a while. After a failure it is to be
   * discarded.
   */
  commit(): Promise<void>;
  /** Never fails because of what is in the tree: it is called where nobody could hear of that. */
  discard(): void;
}

/** Who a new file belongs to, and its mode. */
type FileFacts = Owner & { readonly mode: number };

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY } = constants;
/** open(2): a file without a name, which is gone with its last descriptor. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;

/**
 * Opens a file that is to become `name` in `folder`, which must stay open until commit or discard. While its content
 * arrives it has no name, so that nothing is left of it when this process is killed; where the file system knows no such
 * files, a temporary one.
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
 * The same for a file whose parts may be seen: where nothing is yet it has its final name from the beginning. What is
 * there is replaced at once all the same.
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
    if ((error as NodeJS.ErrnoException).code === "EOPNOTSUPP") return undefined;
    throw error;
  }
  setMode(fd, facts.mode);
  const put = () => {
    if (calls.giveName(fd, folder.path(name))) return;
    // No linkat(2) of Linux replaces what is there: the file has another name for a moment.
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

/** Has `put` put a file at `name`, or copies it into the file that is mounted there. */
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

/** rename(2) of a thing of ours, of which nothing is left where that fails. */
export function renameOrRemove(at: Buffer, to: Buffer): void {
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

/** After the owner: a change of owner drops setuid. Closes the file when that fails. */
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
    // Whoever lives in the tree may have put a folder in its place, or made this one unchangeable: nothing of ours is
    // there.
    if (typeof (error as NodeJS.ErrnoException).errno !== "number") throw error;
  }
}
