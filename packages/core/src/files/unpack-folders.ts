import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { shown, type TarEntry } from "../tar/entry.ts";
import { TarFault } from "../tar/header.ts";
import { mtimeNanoseconds } from "../tar/time.ts";
import { Descent, factsOf, identityOf } from "./descent.ts";
import { setTime } from "./file-calls.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
import { entryName, entryPath, folderOfName, isWithin, splitPath } from "./tree-path.ts";
import type { UnpackRules } from "./unpack-rules.ts";
import { NO_XATTRS, setXattrs } from "./xattrs.ts";

interface FolderFacts {
  readonly mode: number;
  readonly mtime: bigint;
  readonly xattrs: ReadonlyMap<string, string>;
}

/** The folders of a tree that is being unpacked. It goes from folder to folder by descriptors, and makes missing ones. */
export class UnpackFolders implements Disposable {
  readonly #access: TreeAccess;
  readonly #root: string;
  readonly #rules: UnpackRules;
  readonly #yieldNow: () => Promise<void> | undefined;
  #descent: Descent | undefined;
  /** The name of the folder that the descent is in; `""` is the tree's root, `undefined` the folder above it. */
  #here: string | undefined;
  /**
   * Folders that were made. They get their modes, attributes and times when they are left, because new entries need
   * write access and change the times.
   */
  readonly #made = new Map<string, FolderFacts>();
  /** The keys in `#made` of the folders that the descent is in. */
  readonly #entered: string[] = [];

  constructor(access: TreeAccess, root: string, rules: UnpackRules, yieldNow: () => Promise<void> | undefined) {
    this.#access = access;
    this.#root = root;
    this.#rules = rules;
    this.#yieldNow = yieldNow;
  }

  [Symbol.dispose](): void {
    this.#descent?.[Symbol.dispose]();
  }

  /** Makes the folder of an entry. An existing folder stays as it is. If one is named twice, the last entry counts. */
  async make(entry: TarEntry, name: string): Promise<void> {
    const folder = await this.enter(folderOfName(name), entry);
    this.#enterOrMake(folder, entryName(this.#root, name), name, entry);
    const key = this.#entered.at(-1) as string;
    const { mode, xattrs } = entry;
    if (this.#made.has(key)) this.#made.set(key, { mode, xattrs, mtime: mtimeNanoseconds(entry.mtime) });
  }

  /**
   * Goes to the folder of this name. Makes missing folders, with the owner if there is one. A name can have many
   * thousand folders.
   */
  async enter(name: string | undefined, owner: Owner | undefined): Promise<FolderHandle> {
    this.#descent ??= new Descent(this.#access.openFolder(splitPath(this.#root).parent));
    while (!isWithin(name, this.#here)) {
      await this.#yieldNow();
      this.#leave();
    }
    if (name !== undefined && this.#here === undefined)
      this.#enterOrMake(this.#descent.folder, entryName(this.#root, ""), "", owner);
    while (this.#here !== name) {
      await this.#yieldNow();
      const start = this.#here === "" ? 0 : (this.#here as string).length + 1;
      const end = (name as string).indexOf("/", start);
      const next = end < 0 ? (name as string) : (name as string).slice(0, end);
      this.#enterOrMake(this.#descent.folder, next.slice(start), next, owner);
    }
    return this.#descent.folder;
  }

  async leaveAll(): Promise<void> {
    while (this.#entered.length > 0) {
      await this.#yieldNow();
      this.#leave();
    }
  }

  /** Enters `last` of `folder`, where the descent is; its name in the tree is `name`. */
  #enterOrMake(folder: FolderHandle, last: string, name: string, owner: Owner | undefined): void {
    const descent = this.#descent as Descent;
    const at = folder.path(Buffer.from(last, "latin1"));
    let made = false;
    try {
      descent.enter(last);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" && owner !== undefined) {
        this.#access.create(at, owner, () => mkdirSync(at, 0o700));
        descent.enter(last);
        made = true;
      } else if (code === "ENOTDIR" && isSymlink(at)) {
        if (!this.#rules.followLinks)
          throw this.#rules.refusal(
            new TarFault(`there is a symlink in the place of the folder ${shown(name || ".")}`),
          );
        descent.enterElsewhere(this.#access.openFolder(entryPath(this.#root, name)));
      } else throw error;
    }
    const key = identityOf(factsOf(descent.folder));
    this.#entered.push(key);
    this.#here = name;
    if (made) this.#made.set(key, { mode: 0o755, mtime: BigInt(Date.now()) * 1_000_000n, xattrs: NO_XATTRS });
    // A folder that was filled and left may be read-only by now.
    else if (this.#made.has(key)) chmodSync(selfOf(descent.folder), 0o700);
  }

  #leave(): void {
    const descent = this.#descent as Descent;
    const facts = this.#made.get(this.#entered.at(-1) as string);
    if (facts !== undefined) {
      // First of all, while it can surely be entered and written to.
      const self = descent.folder.path(".");
      setXattrs(this.#access, self, facts.xattrs);
      setTime(this.#access.calls, self, facts.mtime);
      chmodSync(selfOf(descent.folder), facts.mode);
    }
    descent.leave();
    this.#entered.pop();
    this.#here = folderOfName(this.#here as string);
  }
}

/** A path of the folder itself, which works even if the folder is not searchable. */
function selfOf(folder: FolderHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}

function isSymlink(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}
