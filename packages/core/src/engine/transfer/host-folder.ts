import {
  chmodSync,
  constants,
  fchmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { FileError } from "../../contract/errors.ts";

/** Components of a name below the target, as byte strings (latin1); the target itself is `[]`. */
type Parts = readonly string[];

interface FolderFacts {
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

/**
 * A place on the host where a stranger's tree is put. No component below the target is ever followed if it is a
 * symlink, and a folder that was checked is never replaced: so the check holds for as long as the caller's own users
 * leave the place alone.
 */
export class HostFolder {
  readonly #target: string;
  /** Folders known to be real ones, by path. */
  readonly #checked = new Set<string>();
  /** Modes and times are set last: a folder may be read-only, and filling it changes its time. */
  readonly #facts = new Map<string, { readonly path: Buffer; readonly facts: FolderFacts }>();

  constructor(target: string) {
    this.#target = target;
  }

  addFolder(parts: Parts, facts: FolderFacts): void {
    const path = this.#enter(parts);
    // A tree can name a folder as often as it likes: the last word counts.
    this.#facts.set(path.toString("latin1"), { path, facts });
  }

  /** Opens a new file for writing, in the place of whatever is there but a folder. */
  createFile(parts: Parts, mode: number): number {
    const path = this.#vacate(parts);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    fchmodSync(fd, mode);
    return fd;
  }

  addSymlink(parts: Parts, target: string, mtime: number): void {
    const path = this.#vacate(parts);
    symlinkSync(Buffer.from(target, "latin1"), path);
    lutimesSync(path, mtime, mtime);
  }

  /** A hard link to a regular file of the same tree. */
  addLink(parts: Parts, to: Parts): void {
    const existing = this.#pathOf(to);
    this.#enter(to.slice(0, -1));
    // link(2) does not follow a symlink; a link to one would be harmless, and is refused all the same.
    if (lookAt(existing)?.isFile() !== true)
      this.#refuse(existing, "ENOENT", "a hard link to what is no file of the tree");
    linkSync(existing, this.#vacate(parts));
  }

  finish(): void {
    for (const { path, facts } of [...this.#facts.values()].reverse()) {
      chmodSync(path, facts.mode);
      utimesSync(path, facts.mtime, facts.mtime);
    }
  }

  #pathOf(parts: Parts): Buffer {
    return Buffer.concat([Buffer.from(this.#target), ...parts.map((part) => Buffer.from(`/${part}`, "latin1"))]);
  }

  /** Makes sure that these are folders, all the way, and no symlinks. */
  #enter(parts: Parts): Buffer {
    const path = this.#pathOf(parts);
    const key = path.toString("latin1");
    if (this.#checked.has(key)) return path;
    if (parts.length > 0) this.#enter(parts.slice(0, -1));
    // The target itself is the caller's word, and may be a symlink of his.
    const there = parts.length > 0 ? lookAt(path) : statSync(path, { throwIfNoEntry: false });
    if (there === undefined) mkdirSync(path, 0o755);
    else if (!there.isDirectory()) this.#refuse(path, "ENOTDIR", "no folder");
    this.#checked.add(key);
    return path;
  }

  #vacate(parts: Parts): Buffer {
    const path = this.#pathOf(parts);
    if (parts.length > 0) this.#enter(parts.slice(0, -1));
    const there = lookAt(path);
    if (there?.isDirectory()) this.#refuse(path, "EISDIR", "a folder is in the way");
    if (there !== undefined) unlinkSync(path);
    return path;
  }

  #refuse(path: Buffer, errno: string, detail: string): never {
    throw new FileError({ verb: "pull to", path: path.toString(), errno, detail });
  }
}

function lookAt(path: Buffer): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
