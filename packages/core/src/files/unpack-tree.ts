import { linkSync, lstatSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import { shown, type TarEntry } from "../tar/entry.ts";
import { TarFault } from "../tar/header.ts";
import { TarReader } from "../tar/reader.ts";
import { mtimeNanoseconds } from "../tar/time.ts";
import { ArrivingFile } from "./arriving-file.ts";
import { openInPlace, openPending, temporaryName } from "./atomic-write.ts";
import { identityOf } from "./descent.ts";
import { setTime } from "./file-calls.ts";
import { isAbsent } from "./file-stat.ts";
import { openFolderAt } from "./folder-descriptor.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { entryName, entryPath, folderOfName, lastOfName, treeName } from "./tree-path.ts";
import { UnpackFolders } from "./unpack-folders.ts";
import type { UnpackRules } from "./unpack-rules.ts";
import { travellingXattrs } from "./xattrs.ts";
import { yieldRegularly } from "./yield-regularly.ts";

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
  readonly #folders: UnpackFolders;
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
    this.#folders = new UnpackFolders(access, root, rules, this.#yieldNow);
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
    await this.#folders.leaveAll();
    this.#folders[Symbol.dispose]();
  }

  /** Closes everything that is open. Nothing is left of a file that is still arriving. */
  discard(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      file?.discard();
    } finally {
      this.#folders[Symbol.dispose]();
    }
  }

  async #add(entry: TarEntry): Promise<void> {
    const name = treeName(entry.name);
    if (name === undefined) this.#refuse(entry, "has a name that no tree has");
    this.#judge(entry, name);
    const harmless = this.#rules.admit(entry);
    if (harmless === undefined) return;
    const xattrs = travellingXattrs(harmless, (why) => this.#refusal(entry, why));
    const admitted = { ...harmless, xattrs };
    try {
      // A slash at the end asks for a folder. As open(2) with O_CREAT.
      if (this.#kind === "other" && this.#root.endsWith("/")) throw systemError("EISDIR", this.#root);
      if (admitted.type === "directory") await this.#folders.make(admitted, name);
      else if (admitted.type === "link") await this.#makeHardLink(admitted, name);
      else {
        const folder = await this.#folders.enter(folderOfName(name), admitted);
        if (admitted.type === "symlink") this.#makeSymlink(admitted, folder, entryName(this.#root, name));
        else this.#openFile(admitted, folder, name);
      }
    } catch (error) {
      throw this.#rules.failure(entryPath(this.#root, name), error);
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
    const { uid, gid, xattrs } = entry;
    // Setting attributes needs the right to write: the mode comes last.
    const mode = xattrs.size > 0 ? 0o600 : entry.mode;
    const open = this.#rules.atomic ? openPending : openInPlace;
    const pending = open(this.#access, folder, bytesOf(entryName(this.#root, name)), { uid, gid, mode });
    this.#file = new ArrivingFile(pending, entry);
    this.#fileName = name;
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await file.write(bytes, this.#yieldNow);
    } catch (error) {
      throw this.#rules.failure(entryPath(this.#root, this.#fileName), error);
    }
    this.#rules.onContent?.(bytes.length);
    if (file.isWhole) await this.#keep(file);
  }

  async #keep(file: ArrivingFile): Promise<void> {
    this.#file = undefined;
    try {
      this.#files.add(await file.keep(this.#access));
    } catch (error) {
      throw this.#rules.failure(entryPath(this.#root, this.#fileName), error);
    }
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
    const from = await this.#folders.enter(folderOfName(target), undefined);
    const own = openFolderAt(from.path("."));
    try {
      const existing = placeOf(own, lastOfName(target));
      if (!this.#files.has(identityOf(lstatSync(existing, { bigint: true }))))
        this.#refuse(entry, "is a hard link to what was not sent before it");
      const folder = await this.#folders.enter(folderOfName(name), entry);
      const last = entryName(this.#root, name);
      this.#replace(folder, last, (at) => this.#access.change(folder, bytesOf(last), () => linkSync(existing, at)));
    } catch (error) {
      if (isAbsent(error)) this.#refuse(entry, "is a hard link to what was not sent before it");
      throw error;
    } finally {
      own[Symbol.dispose]();
    }
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

  #refuse(entry: TarEntry, why: string): never {
    throw this.#refusal(entry, why);
  }

  #refusal(entry: TarEntry, why: string): Error {
    return this.#rules.refusal(new TarFault(`the tar entry ${shown(entry.name)} ${why}`));
  }
}

function bytesOf(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

function placeOf(folder: FolderHandle, name: string): Buffer {
  return folder.path(bytesOf(name));
}

function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
