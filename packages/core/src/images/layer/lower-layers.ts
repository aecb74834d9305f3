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

export type LowerKind = "directory" | "symlink" | "file" | "other";

export interface LowerEntry {
  readonly kind: LowerKind;
  /** Where it is on this host. */
  readonly host: Buffer;
  readonly stats: BigIntStats;
}

/**
 * The tree that lies beneath a layer while it is unpacked. Looked up without ever following a symlink; answers are
 * those of an overlay of the layers. Synchronous: a lookup is microseconds, and the reader of the tar needs its answer
 * at once.
 */
export class LowerLayers {
  /** Top first. */
  readonly #layers: readonly { readonly tree: string; readonly opaque: ReadonlySet<string> }[];

  /** `layers` bottom first. */
  constructor(layers: readonly LayerFolder[]) {
    this.#layers = layers.toReversed().map(({ tree, opaque }) => ({ tree, opaque: new Set(opaque) }));
  }

  /** What is at `parts`, or nothing: no file, or hidden by a whiteout, an opaque folder or a file in the way. */
  find(parts: readonly string[]): LowerEntry | undefined {
    for (const layer of this.#layers) {
      const found = lookup(layer, parts);
      if (found === "hidden") return undefined;
      if (found !== "absent") return found;
    }
    return undefined;
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
    for (const { tree } of this.#layers) for (const name of readdirSync(tree, "latin1")) names.add(name);
    return [...names].filter((name) => this.find([name]) !== undefined);
  }
}

function lookup(
  layer: { readonly tree: string; readonly opaque: ReadonlySet<string> },
  parts: readonly string[],
): LowerEntry | "absent" | "hidden" {
  let host = layer.tree;
  let hidden = false;
  for (const [index, part] of ["", ...parts].entries()) {
    if (index > 0) host = `${host}/${part}`;
    const bytes = Buffer.concat([Buffer.from(layer.tree), Buffer.from(host.slice(layer.tree.length), "latin1")]);
    const stats = lstatSync(bytes, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined) return hidden ? "hidden" : "absent";
    // overlayfs.rst: a whiteout is a character device 0/0.
    if (stats.isCharacterDevice() && stats.rdev === 0n) return "hidden";
    if (index === parts.length) return { kind: kindOf(stats), host: bytes, stats };
    if (!stats.isDirectory()) return "hidden";
    hidden ||= layer.opaque.has(parts.slice(0, index).join("/"));
  }
  return "absent";
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

/** The attributes of a folder below, for one of the same name above. */
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
