import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import type { Abortable } from "../flow/abortable.ts";
import { nameBytes } from "../text/byte-name.ts";
import { Descent, factsOf, identityOf } from "./descent.ts";
import { isAbsent } from "./file-stat.ts";
import { readNames } from "./folder-names.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { splitPath } from "./tree-path.ts";
import { yieldRegularly } from "./yield-regularly.ts";

/** A folder that is being emptied: its name, and the names left in it, as byte strings. */
interface Level {
  readonly name: string;
  readonly names: string[];
}

/**
 * Removes what is at `path` and everything in it, without following symlinks. A no-op if nothing is there. An abort
 * leaves a part. @throws `ENOTDIR` if `path` ends in a slash and is not a folder: path_resolution(7)
 */
export async function removeTree(access: TreeAccess, path: string, options: Abortable): Promise<void> {
  const { parent, name } = splitPath(path);
  let folder: FolderHandle;
  try {
    folder = access.openFolder(parent);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  const isFolder = (at: Buffer) => lstatSync(at, { throwIfNoEntry: false })?.isDirectory() ?? true;
  if (path.endsWith("/") && !isFolder(folder.path(name))) {
    folder[Symbol.dispose]();
    throw systemError("ENOTDIR", path);
  }
  const removal = new Removal(access, folder, options.signal);
  try {
    // Before anything in it is removed.
    if (name === ".") refuseRoot(access, folder, path);
    await removal.remove(nameBytes(name).toString("latin1"));
  } finally {
    removal[Symbol.dispose]();
  }
}

class Removal implements Disposable {
  readonly #access: TreeAccess;
  readonly #descent: Descent;
  readonly #levels: Level[] = [];
  readonly #yieldNow: () => Promise<void> | undefined;

  constructor(access: TreeAccess, folder: FolderHandle, signal: AbortSignal | undefined) {
    this.#access = access;
    this.#descent = new Descent(folder);
    this.#yieldNow = yieldRegularly(signal);
  }

  [Symbol.dispose](): void {
    this.#descent[Symbol.dispose]();
  }

  /** `"."` is the folder itself, which stays. */
  async remove(root: string): Promise<void> {
    await this.#entry(root);
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      await this.#yieldNow();
      const name = level.names.pop();
      if (name !== undefined) await this.#entry(name);
      else {
        this.#levels.pop();
        this.#descent.leave();
        if (level.name !== ".") this.#remove(level.name, rmdirSync);
      }
    }
  }

  async #entry(name: string): Promise<void> {
    const at = this.#at(name);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isDirectory()) {
      this.#remove(name, unlinkSync);
      return;
    }
    // A mount is not part of the tree that is to be removed.
    const refuseMount = () => {
      if (name !== "." && this.#access.isMountPoint(this.#descent.folder, Buffer.from(name, "latin1")))
        throw systemError("EBUSY", at.toString(), "something is mounted in it");
    };
    if (!ifThere(refuseMount) || !ifThere(() => this.#descent.enter(name))) return;
    this.#levels.push({ name, names: (await readNames(this.#descent.folder, this.#yieldNow)).all });
  }

  #remove(name: string, by: (at: Buffer) => void): void {
    const bytes = Buffer.from(name, "latin1");
    ifThere(() => this.#access.change(this.#descent.folder, bytes, () => by(this.#at(name))));
  }

  #at(name: string): Buffer {
    return this.#descent.folder.path(Buffer.from(name, "latin1"));
  }
}

/** @throws `EBUSY` if a folder is the root of the whole tree, by whatever path it was reached: that cannot be removed. */
export function refuseRoot(access: TreeAccess, folder: FolderHandle, path: string): void {
  using root = access.openFolder("/");
  if (identityOf(factsOf(root)) === identityOf(factsOf(folder))) throw systemError("EBUSY", path, "it is the root");
}

/** False if another process had removed it before. */
function ifThere(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
