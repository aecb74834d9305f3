import { type BigIntStats, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import { folderOf, openFolderAt } from "./folder-descriptor.ts";
import type { FolderHandle } from "./tree-access.ts";

/** How many folders are held open, counted from the deepest. */
const HELD = 64;
const O_PATH = 0o10000000;
/** Symlinks that are followed, as many as the kernel follows in one path: path_resolution(7). */
const MAX_LINKS = 40;

interface Level {
  /** `undefined` while it is closed; the last level is always open. */
  folder: FolderHandle | undefined;
  /** Known once it was closed. */
  identity: string | undefined;
  /** Entered through a symlink: its ".." is not the level above. */
  readonly elsewhere: boolean;
}

/**
 * A walk down a tree by descriptors, one folder at a time. Of a deep path only the last folders stay open: the way back
 * is then "..", and must lead to the same folder as before.
 */
export class Descent implements Disposable {
  readonly #levels: Level[] = [];
  #links = 0;

  /** Owns `base` from now on. */
  constructor(base: FolderHandle) {
    this.#push(base, false);
  }

  /** How many folders are entered. */
  get depth(): number {
    return this.#levels.length - 1;
  }

  /** Where it is. Valid until the next step. */
  get folder(): FolderHandle {
    return this.#last.folder as FolderHandle;
  }

  /** Enters the folder `name`, a byte string, of this folder. @throws `ENOTDIR` for anything else, also a symlink */
  enter(name: string): void {
    this.#push(openFolderAt(this.folder.path(Buffer.from(name, "latin1"))), false);
  }

  /** The same through a symlink, wherever it leads. @throws `ELOOP` for a circle of symlinks */
  enterLinked(name: string): void {
    const at = this.folder.path(Buffer.from(name, "latin1"));
    if (!lstatSync(at).isSymbolicLink()) this.enter(name);
    else this.enterElsewhere(folderOf(openSync(at, O_PATH | constants.O_DIRECTORY)));
  }

  /** Enters a folder that a symlink in this one leads to, and owns it. */
  enterElsewhere(folder: FolderHandle): void {
    if (this.#links === MAX_LINKS) {
      folder[Symbol.dispose]();
      throw systemError("ELOOP", "a folder beneath many symlinks");
    }
    this.#links += 1;
    this.#push(folder, true);
  }

  /** Goes back to the folder that this one was entered from. @throws `ESTALE` when this one was moved meanwhile */
  leave(): void {
    const left = this.#levels.pop() as Level;
    if (left.elsewhere) this.#links -= 1;
    try {
      const parent = this.#last;
      parent.folder ??= reopen(left.folder as FolderHandle, parent.identity);
    } finally {
      left.folder?.[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    for (const { folder } of this.#levels.splice(0)) folder?.[Symbol.dispose]();
  }

  get #last(): Level {
    return this.#levels.at(-1) as Level;
  }

  #push(folder: FolderHandle, elsewhere: boolean): void {
    this.#levels.push({ folder, identity: undefined, elsewhere });
    const at = this.#levels.length - 1 - HELD;
    const old = this.#levels[at];
    // The first level, and one that was entered through a symlink, cannot be reopened from the level above.
    if (at < 1 || old?.folder === undefined || this.#levels[at + 1]?.elsewhere === true) return;
    old.identity = identityOf(factsOf(old.folder));
    old.folder[Symbol.dispose]();
    old.folder = undefined;
  }
}

/** The folder above, if it is still the same. */
function reopen(child: FolderHandle, identity: string | undefined): FolderHandle {
  const folder = openFolderAt(child.path(".."));
  if (identityOf(factsOf(folder)) === identity) return folder;
  folder[Symbol.dispose]();
  throw systemError("ESTALE", "a folder that was moved meanwhile");
}

export function factsOf(folder: FolderHandle): BigIntStats {
  return fstatSync(folder.fd, { bigint: true });
}

/** The identity of a file or folder, unique among all that exist. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
