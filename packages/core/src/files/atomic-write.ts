import { randomUUID } from "node:crypto";
import { closeSync, constants, fchmodSync, openSync, renameSync, unlinkSync } from "node:fs";
import { writeMounted } from "./mounted-file.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";

/** A name in a folder that nothing else uses, for what will be renamed into place. */
export function temporaryName(): string {
  // Of a UUID: it draws on entropy in store, where randomBytes() asks the kernel each time.
  return `.pileus-${randomUUID().replaceAll("-", "").slice(0, 16)}`;
}

/** A new file beside its final name: written through `fd`, then kept by `commit()` or removed by `discard()`. */
export interface PendingFile {
  readonly fd: number;
  /**
   * Puts it in place at once; where a file is mounted, into that file, which takes a while. Does not close `fd`. After
   * a failure it is to be discarded.
   */
  commit(): Promise<void>;
  /** Never fails because of what is in the tree: it is called where nobody could hear of that. */
  discard(): void;
}

/** Who a new file belongs to, and its mode. */
type FileFacts = Owner & { readonly mode: number };

/** Opens a file to be renamed to `name` in `folder`, which must stay open until commit or discard. */
export function openPending(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  facts: FileFacts,
): PendingFile {
  const path = folder.path(temporaryName());
  const fd = createFile(access, path, facts);
  const discard = () => removeOurs(path);
  return {
    fd,
    async commit() {
      try {
        access.change(folder, name, () => renameSync(path, folder.path(name)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
        await writeMounted(access, folder, name, path);
        discard();
      }
    },
    discard,
  };
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

function createFile(access: TreeAccess, path: Buffer, facts: FileFacts): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = access.create(path, facts, () => openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  try {
    // After the owner: a change of owner drops setuid.
    fchmodSync(fd, facts.mode);
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
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
