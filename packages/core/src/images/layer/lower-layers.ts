import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { TarEntry } from "../../tar/entry.ts";

/** A layer folder, in overlayfs' own form. */
export interface LayerFolder {
  readonly tree: string;
  /** Folders that hide what lower layers have at their place, as byte strings relative to `tree`. */
  readonly opaque: readonly string[];
}

/** As the kernel bounds it (path_resolution(7)). */
export const MAX_SYMLINKS = 40;
/** linux/limits.h */
const NAME_MAX = 255;

export type LowerKind = "directory" | "symlink" | "file" | "other";

export interface LowerEntry {
  readonly kind: LowerKind;
  /** Its path on this host. */
  readonly host: Buffer;
  readonly stats: BigIntStats;
}

/** A folder of one layer. */
interface Folder {
  readonly layer: { readonly opaque: ReadonlySet<string> };
  readonly host: Buffer;
  /** Relative to the layer's root. */
  readonly path: string;
}

/** What a path leads to, and the folders that are merged there, top first. */
interface Place {
  readonly entry: LowerEntry | undefined;
  readonly folders: readonly Folder[];
}

/**
 * The tree beneath a layer while the layer is unpacked. Lookups follow no symlink; the answers are those of an overlay
 * of the layers. They are synchronous: a lookup takes microseconds, and the reader of the tar needs its answer at once.
 */
export class LowerLayers {
  readonly #root: Place;
  /** The path of the last lookup with the place of each prefix: the next path is mostly beside or beneath it. */
  #parts: readonly string[] = [];
  #places: Place[];

  /** `layers` bottom first. */
  constructor(layers: readonly LayerFolder[]) {
    const folders = layers.toReversed().map(({ tree, opaque }) => {
      return { layer: { opaque: new Set(opaque) }, host: Buffer.from(tree), path: "" };
    });
    const [top] = folders;
    const stats = top && lstatSync(top.host, { bigint: true });
    this.#root = { entry: stats && { kind: "directory", host: top.host, stats }, folders };
    this.#places = [this.#root];
  }

  /** What is at `parts`; nothing if there is no file, or a whiteout, an opaque folder or a file in the way hides it. */
  find(parts: readonly string[]): LowerEntry | undefined {
    let known = 0;
    while (known < parts.length && this.#parts[known] === parts[known]) known++;
    if (known < parts.length) {
      this.#places.length = known + 1;
      for (const part of parts.slice(known)) this.#places.push(inside(this.#places.at(-1) ?? this.#root, part));
      this.#parts = [...parts];
    }
    return this.#places[parts.length]?.entry;
  }

  /** What `parts` lead to when symlinks are followed, all the way within the root. */
  follow(parts: readonly string[]): LowerEntry | undefined {
    let at: string[] = [];
    let symlinks = 0;
    const todo = [...parts].reverse();
    let found = this.find([]);
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === "" || part === ".") continue;
      const next = part === ".." ? at.slice(0, -1) : [...at, part];
      found = this.find(next);
      if (found?.kind !== "symlink") {
        at = next;
        continue;
      }
      if (++symlinks > MAX_SYMLINKS) return undefined;
      const target = symlinkTarget(found);
      if (target.startsWith("/")) at = [];
      todo.push(...target.split("/").reverse());
      found = this.find(at);
    }
    return found;
  }

  /** The names in the root. */
  rootNames(): string[] {
    const names = new Set<string>();
    for (const { host } of this.#root.folders) for (const name of readdirSync(host, "latin1")) names.add(name);
    return [...names].filter((name) => this.find([name]) !== undefined);
  }
}

/** Looks up a name in a place. */
function inside({ folders }: Place, name: string): Place {
  const merged: Folder[] = [];
  let entry: LowerEntry | undefined;
  // The target of a symlink may have any names.
  if (name.length > NAME_MAX) return { entry, folders: merged };
  for (const { layer, host: folder, path: above } of folders) {
    const host = Buffer.concat([folder, Buffer.from(`/${name}`, "latin1")]);
    const stats = lstatSync(host, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) continue;
    // overlayfs.rst: a whiteout is a character device 0/0.
    if (stats.isCharacterDevice() && stats.rdev === 0n) break;
    const kind = kindOf(stats);
    entry ??= { kind, host, stats };
    if (kind !== "directory") break;
    const path = above === "" ? name : `${above}/${name}`;
    merged.push({ layer, host, path });
    if (layer.opaque.has(path)) break;
  }
  return { entry, folders: merged };
}

function kindOf(stats: BigIntStats): LowerKind {
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  return stats.isFile() ? "file" : "other";
}

/** The target of a symlink, as a byte string. */
export function symlinkTarget(entry: LowerEntry): string {
  return readlinkSync(entry.host, "latin1");
}

/** The attributes of a lower folder, for a folder of the same name above. */
export function folderEntry(name: string, lower: LowerEntry | undefined): TarEntry {
  const stats = lower?.kind === "directory" ? lower.stats : undefined;
  return {
    type: "directory",
    name,
    target: "",
    mode: stats === undefined ? 0o755 : Number(stats.mode & 0o7777n),
    uid: Number(stats?.uid ?? 0n),
    gid: Number(stats?.gid ?? 0n),
    mtime: stats === undefined ? "0" : decimal(stats.mtimeNs),
    size: 0,
    xattrs: new Map(),
  };
}

function decimal(nanoseconds: bigint): string {
  if (nanoseconds < 0n) return "0";
  const places = String(nanoseconds % 1_000_000_000n).padStart(9, "0");
  return `${nanoseconds / 1_000_000_000n}.${places}`;
}
