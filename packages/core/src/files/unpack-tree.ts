import { chmodSync, linkSync, lstatSync, mkdirSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import type { Abortable } from "../contract/abortable.ts";
import { shown, type TarEntry } from "../tar/entry.ts";
import { TarFault } from "../tar/header.ts";
import { TarReader } from "../tar/reader.ts";
import { mtimeNanoseconds } from "../tar/time.ts";
import { ArrivingFile } from "./arriving-file.ts";
import { openInPlace, openPending, temporaryName } from "./atomic-write.ts";
import { nameBytes, nameText } from "./byte-name.ts";
import { Descent, factsOf, identityOf } from "./descent.ts";
import { setTime } from "./file-calls.ts";
import { isAbsent } from "./file-stat.ts";
import { openFolderAt } from "./folder-descriptor.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { folderOfName, isWithin, joinPath, lastOfName, splitPath, treeName } from "./tree-path.ts";
import { yieldRegularly } from "./yield-regularly.ts";

/** The rules of an unpacking, which differ between its users. */
export interface UnpackRules extends Abortable {
  /** Whether to enter an existing symlink in a folder's place: /lib of most distributions. */
  readonly followLinks: boolean;
  /**
   * Whether every file appears as a whole. Otherwise only files that replace another do: writing a new file in place
   * costs less.
   */
  readonly atomic: boolean;
  /** Changes an entry before it is made; `undefined` leaves it out. */
  admit(entry: TarEntry): TarEntry | undefined;
  /** Makes the error for an archive that is no valid tree. */
  refusal(fault: TarFault): Error;
  /** Makes the error for a failure at a path of the access. */
  failure(path: string, error: unknown): unknown;
  /** Called with the number of bytes of content that are in place. */
  onContent?(bytes: number): void;
}

interface FolderFacts {
  readonly mode: number;
  readonly mtime: bigint;
}

/**
 * Unpacks a tar at `root`: existing folders stay as they are and are merged, other things are replaced atomically.
 * Entries that no walk of a tree can produce are refused. The unpacking goes from folder to folder by descriptors, so
 * it reaches nothing outside even if the tree changes meanwhile, and the names of the archive, which are byte strings,
 * can be longer than a path.
 */
export class TreeUnpacking {
  readonly #access: TreeAccess;
  readonly #root: string;
  readonly #rules: UnpackRules;
  readonly #reader: TarReader;
  readonly #yieldNow: () => Promise<void> | undefined;
  /** What the reader found in the current chunk: the reader cannot wait for the file system. */
  readonly #found: (TarEntry | Buffer)[] = [];
  #descent: Descent | undefined;
  /** The name of the folder that the descent is in; `""` is the tree's root, `undefined` the folder above it. */
  #here: string | undefined;
  /**
   * Folders that were made. They get their modes and times when they are left, because new entries change those.
   */
  readonly #folders = new Map<string, FolderFacts>();
  /** The keys in `#folders` of the folders that the descent is in. */
  readonly #entered: string[] = [];
  /** Files that were made: hard links may lead to them. */
  readonly #files = new Set<string>();
  #kind: "folder" | "other" | undefined;
  /** The file whose content is arriving, and its name. */
  #file: ArrivingFile | undefined;
  #fileName = "";

  constructor(access: TreeAccess, root: string, rules: UnpackRules) {
    this.#access = access;
    this.#root = root;
    this.#rules = rules;
    this.#yieldNow = yieldRegularly(rules.signal);
    this.#reader = new TarReader((fault) => rules.refusal(fault), {
      entry: (entry) => this.#found.push(entry),
      data: (bytes) => this.#found.push(bytes),
    });
  }

  async take(chunk: Buffer): Promise<void> {
    try {
      this.#reader.push(chunk);
    } finally {
      // Also handle what came before a fault: the result must not depend on how the archive was cut into chunks.
      for (const found of this.#found.splice(0)) {
        await this.#yieldNow();
        if (Buffer.isBuffer(found)) await this.#write(found);
        else await this.#add(found);
      }
    }
  }

  async finish(): Promise<void> {
    this.#reader.end();
    if (this.#kind === undefined) throw this.#rules.refusal(new TarFault("the archive has no entry"));
    while (this.#entered.length > 0) {
      await this.#yieldNow();
      this.#leave();
    }
    this.#descent?.[Symbol.dispose]();
  }

  /** Closes everything that is open. Nothing is left of a file that is still arriving. */
  discard(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      file?.discard();
    } finally {
      this.#descent?.[Symbol.dispose]();
    }
  }

  async #add(entry: TarEntry): Promise<void> {
    const name = treeName(entry.name);
    if (name === undefined) this.#refuse(entry, "has a name that no tree has");
    this.#judge(entry, name);
    const admitted = this.#rules.admit(entry);
    if (admitted === undefined) return;
    try {
      // A slash at the end asks for a folder. As open(2) with O_CREAT.
      if (this.#kind === "other" && this.#root.endsWith("/")) throw systemError("EISDIR", this.#root);
      if (admitted.type === "directory") await this.#makeFolder(admitted, name);
      else if (admitted.type === "link") await this.#makeHardLink(admitted, name);
      else {
        const folder = await this.#enter(folderOfName(name), admitted);
        if (admitted.type === "symlink") this.#makeSymlink(admitted, folder, this.#lastOf(name));
        else this.#openFile(admitted, folder, name);
      }
    } catch (error) {
      throw this.#rules.failure(this.#pathOf(name), error);
    }
    if (this.#file?.isWhole) await this.#keep(this.#file);
  }

  /** A tree is one folder, or one single thing. */
  #judge(entry: TarEntry, name: string): void {
    const kind = name === "" && entry.type !== "directory" ? "other" : "folder";
    if (this.#kind === "other" || (this.#kind === "folder" && kind === "other"))
      this.#refuse(entry, "contradicts an entry before it, for the root of a tree is one thing");
    this.#kind = kind;
  }

  /** Nothing else comes before its last byte, so the descent stays in `folder`. */
  #openFile(entry: TarEntry, folder: FolderHandle, name: string): void {
    const { uid, gid, mode } = entry;
    const open = this.#rules.atomic ? openPending : openInPlace;
    const pending = open(this.#access, folder, bytesOf(this.#lastOf(name)), { uid, gid, mode });
    this.#file = new ArrivingFile(pending, entry);
    this.#fileName = name;
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await file.write(bytes, this.#yieldNow);
    } catch (error) {
      throw this.#rules.failure(this.#pathOf(this.#fileName), error);
    }
    this.#rules.onContent?.(bytes.length);
    if (file.isWhole) await this.#keep(file);
  }

  async #keep(file: ArrivingFile): Promise<void> {
    this.#file = undefined;
    try {
      this.#files.add(await file.keep(this.#access.calls));
    } catch (error) {
      throw this.#rules.failure(this.#pathOf(this.#fileName), error);
    }
  }

  async #makeFolder(entry: TarEntry, name: string): Promise<void> {
    const folder = await this.#enter(folderOfName(name), entry);
    this.#enterOrMake(folder, this.#lastOf(name), name, entry);
    // An existing folder stays as it is. If a folder is named twice, the last entry counts.
    const key = this.#entered.at(-1) as string;
    if (this.#folders.has(key)) this.#folders.set(key, { mode: entry.mode, mtime: mtimeNanoseconds(entry.mtime) });
  }

  #makeSymlink(entry: TarEntry, folder: FolderHandle, last: string): void {
    const mtime = mtimeNanoseconds(entry.mtime);
    this.#replace(folder, last, (at) => {
      this.#access.create(at, entry, () => symlinkSync(bytesOf(entry.target), at));
      setTime(this.#access.calls, at, mtime);
    });
  }

  async #makeHardLink(entry: TarEntry, name: string): Promise<void> {
    const target = treeName(entry.target);
    if (target === undefined || target === "") this.#refuse(entry, "is a hard link to what no tree has");
    const from = await this.#enter(folderOfName(target), undefined);
    const own = openFolderAt(from.path("."));
    try {
      const existing = placeOf(own, lastOfName(target));
      if (!this.#files.has(identityOf(lstatSync(existing, { bigint: true }))))
        this.#refuse(entry, "is a hard link to what was not sent before it");
      const folder = await this.#enter(folderOfName(name), entry);
      const last = this.#lastOf(name);
      this.#replace(folder, last, (at) => this.#access.change(folder, bytesOf(last), () => linkSync(existing, at)));
    } catch (error) {
      if (isAbsent(error)) this.#refuse(entry, "is a hard link to what was not sent before it");
      throw error;
    } finally {
      own[Symbol.dispose]();
    }
  }

  /**
   * Goes to the folder of this name. Makes missing folders, with the owner of the entry if there is one. A name can
   * have many thousand folders.
   */
  async #enter(name: string | undefined, entry: TarEntry | undefined): Promise<FolderHandle> {
    this.#descent ??= new Descent(this.#access.openFolder(splitPath(this.#root).parent));
    while (!isWithin(name, this.#here)) {
      await this.#yieldNow();
      this.#leave();
    }
    if (name !== undefined && this.#here === undefined)
      this.#enterOrMake(this.#descent.folder, this.#rootName, "", entry);
    while (this.#here !== name) {
      await this.#yieldNow();
      const start = this.#here === "" ? 0 : (this.#here as string).length + 1;
      const end = (name as string).indexOf("/", start);
      const next = end < 0 ? (name as string) : (name as string).slice(0, end);
      this.#enterOrMake(this.#descent.folder, next.slice(start), next, entry);
    }
    return this.#descent.folder;
  }

  /** Enters `last` of `folder`, where the descent is; its name in the tree is `name`. */
  #enterOrMake(folder: FolderHandle, last: string, name: string, owner: TarEntry | undefined): void {
    const descent = this.#descent as Descent;
    let made = false;
    try {
      descent.enter(last);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" && owner !== undefined) {
        const at = placeOf(folder, last);
        this.#access.create(at, owner, () => mkdirSync(at, 0o700));
        descent.enter(last);
        made = true;
      } else if (code === "ENOTDIR" && isSymlink(placeOf(folder, last))) {
        if (!this.#rules.followLinks)
          throw this.#rules.refusal(
            new TarFault(`there is a symlink in the place of the folder ${shown(name || ".")}`),
          );
        descent.enterElsewhere(this.#access.openFolder(this.#pathOf(name)));
      } else throw error;
    }
    const key = identityOf(factsOf(descent.folder));
    this.#entered.push(key);
    this.#here = name;
    if (made) this.#folders.set(key, { mode: 0o755, mtime: BigInt(Date.now()) * 1_000_000n });
    // A folder that was filled and left may be read-only by now.
    else if (this.#folders.has(key)) chmodSync(selfOf(descent.folder), 0o700);
  }

  #leave(): void {
    const descent = this.#descent as Descent;
    const facts = this.#folders.get(this.#entered.at(-1) as string);
    if (facts !== undefined) {
      // First of all, while it can surely be entered.
      setTime(this.#access.calls, descent.folder.path("."), facts.mtime);
      chmodSync(selfOf(descent.folder), facts.mode);
    }
    descent.leave();
    this.#entered.pop();
    this.#here = folderOfName(this.#here as string);
  }

  /** Puts what `make` makes in the place of `name`, unless a folder is there. */
  #replace(folder: FolderHandle, name: string, make: (at: Buffer) => void): void {
    const at = folder.path(temporaryName());
    try {
      make(at);
      this.#access.change(folder, bytesOf(name), () => renameSync(at, placeOf(folder, name)));
    } finally {
      // Also after success: rename(2) does nothing where both names are links to one file.
      removeIfThere(at);
    }
  }

  get #rootName(): string {
    return nameBytes(splitPath(this.#root).name).toString("latin1");
  }

  #lastOf(name: string): string {
    return name === "" ? this.#rootName : lastOfName(name);
  }

  #pathOf(name: string): string {
    return joinPath(this.#root, name === "" ? "." : nameText(bytesOf(name)));
  }

  #refuse(entry: TarEntry, why: string): never {
    throw this.#rules.refusal(new TarFault(`the tar entry ${shown(entry.name)} ${why}`));
  }
}

function bytesOf(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

/** A path of the folder itself, which works even if the folder is not searchable. */
function selfOf(folder: FolderHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}

function placeOf(folder: FolderHandle, name: string): Buffer {
  return folder.path(bytesOf(name));
}

function isSymlink(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
