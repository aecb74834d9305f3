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

/** Opens a file to be renamed to `name` in `folder`, which must stay open until commit or discard. */
export function openPending(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  facts: Owner & { readonly mode: number },
): PendingFile {
  const path = folder.path(temporaryName());
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = access.create(path, facts, () => openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
  try {
    // After the owner: a change of owner drops setuid.
    fchmodSync(fd, facts.mode);
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    throw error;
  }
  const discard = () => {
    try {
      unlinkSync(path);
    } catch (error) {
      // Whoever lives in the tree may have put a folder in its place, or made this one unchangeable: nothing of ours is
      // there.
      if (typeof (error as NodeJS.ErrnoException).errno !== "number") throw error;
    }
  };
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
