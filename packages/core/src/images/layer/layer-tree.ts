import { randomUUID } from "node:crypto";
import { HostError } from "../../errors/all.ts";
import type { TarEntry } from "../../tar/entry.ts";
import { TarWriter } from "../../tar/writer.ts";
import type { LayerBudget } from "./budget.ts";
import { folderEntry, type LowerEntry, type LowerLayers } from "./lower-layers.ts";
import {
  below,
  childOf,
  deepestFirst,
  type FolderNode,
  type LayerNode,
  type LeafFacts,
  type LeafNode,
  setChild,
} from "./nodes.ts";
import type { Whiteouts } from "./whiteouts.ts";

const NONE: ReadonlyMap<string, string> = new Map();

export interface LayerTreeOptions {
  /** For messages. */
  readonly image: string;
  readonly lower: LowerLayers;
  /** The owner that all files must have, for an unpacker that cannot change owners. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** `path` is removed with everything in it, and what was unpacked at `by` takes its place. */
export interface Replacement {
  readonly path: string;
  readonly by: string | undefined;
}

/** The remaining steps after the output was unpacked, in this order. Paths are byte strings, relative to its root. */
export interface Unfinished {
  /** Hard links whose target is in a lower layer: path here, file there. */
  readonly lowerLinks: ReadonlyMap<string, Buffer>;
  /** Paths with a later entry of another kind than an earlier one. */
  readonly replacements: readonly Replacement[];
  /** The folder that the replacements came from: it is removed. */
  readonly staging: string | undefined;
}

/**
 * The tree of a layer, as far as it was read, and the tar that makes it. Folders and files are written as they come,
 * symlinks at the end, and then all folders again with the archive's attributes, each after its content.
 *
 * The later of two entries with one name wins. If one of them is a folder, the unpacker cannot put the later over the
 * earlier: it is unpacked elsewhere, and takes its place when everything is unpacked.
 */
export class LayerTree {
  readonly output = new TarWriter();
  readonly root: FolderNode = { kind: "directory", place: "", entry: folderEntry("./", undefined) };
  /** How often a node replaced another, and how often a node was new. */
  changes = 0;
  additions = 0;
  readonly #options: LayerTreeOptions;
  readonly #budget: LayerBudget;
  /** A name that no archive can predict. */
  readonly #staging = `.pileus-${randomUUID()}`;
  #staged = 0;
  #rootGiven = false;

  constructor(options: LayerTreeOptions, budget: LayerBudget) {
    this.#options = options;
    this.#budget = budget;
  }

  setRoot(entry: TarEntry): void {
    this.#budget.hold(entry.name, "", entry);
    this.#rootGiven = true;
    this.root.entry = entry;
  }

  /** Adds something other than a folder; `entry` has the archive's attributes. */
  putLeaf(parent: FolderNode, name: string, entry: TarEntry, facts: LeafFacts): LeafNode {
    const before = childOf(parent, name);
    const place = this.#placeFor(parent, name, before, before?.kind === "directory");
    this.#budget.hold(entry.name, place, facts.kind === "file" ? undefined : entry);
    const out = facts.kind === "file" || (before !== undefined && before.kind !== "directory" && before.out);
    const node: LeafNode = { ...facts, place, out };
    setChild(parent, name, node);
    return node;
  }

  putFolder(parent: FolderNode, name: string, entry: TarEntry): FolderNode {
    const before = childOf(parent, name);
    if (before?.kind === "directory") {
      this.#budget.hold(entry.name, "", entry);
      before.entry = entry;
      return before;
    }
    const place = this.#placeFor(parent, name, before, before?.out ?? false);
    this.#budget.hold(entry.name, place, entry);
    const folder: FolderNode = { kind: "directory", place, entry };
    setChild(parent, name, folder);
    // Until its content has come, the folder has no mode or attribute that could keep content out or be inherited.
    this.write({ ...entry, name: place, target: "", mode: 0o700, mtime: "0", xattrs: NONE });
    return folder;
  }

  /** A folder that no entry lists, made for `entry`, like that of the lower layers. */
  imply(parent: FolderNode, name: string, path: string, lower: LowerEntry | undefined, entry: string): FolderNode {
    this.#budget.folder(entry);
    return this.putFolder(parent, name, folderEntry(path, lower));
  }

  write(entry: TarEntry): void {
    const { image, owner } = this.#options;
    if (owner !== undefined && (entry.uid !== owner.uid || entry.gid !== owner.gid)) {
      const reason = `it has files of ${entry.uid}:${entry.gid}, and only root can give files to others`;
      throw new HostError(`unpack image ${image}`, [{ need: "root", reason, fix: "run as root" }]);
    }
    this.output.entry(entry);
  }

  /**
   * Applies the whiteouts, now that this layer's own content is known: 0/0 devices, and marks on folders. By layer.md
   * they concern lower layers only, so a folder of this layer shows only its own content. Returns the folders.
   */
  *applyWhiteouts(whiteouts: Whiteouts): Generator<void, string[]> {
    const opaque: string[] = [];
    const { lower } = this.#options;
    const mark = (path: string, folder: LayerNode | undefined) => {
      if (folder?.kind !== "directory" || folder.opaque || lower.find(path.split("/"))?.kind !== "directory") return;
      folder.opaque = true;
      opaque.push(path);
    };
    for (const path of whiteouts.contents())
      if (lower.find(path.split("/"))?.kind === "directory") yield mark(path, this.#reach(path.split("/")));
    for (const path of whiteouts.names()) yield mark(path, this.#find(path.split("/")));
    for (const path of whiteouts.names()) yield this.#hide(path);
    return opaque;
  }

  /** Writes what had to wait for the end, an entry a step: together they are too much for memory. */
  *finish(): Generator<void, Unfinished> {
    if (!this.#rootGiven) this.root.entry = folderEntry("./", this.#options.lower.find([]));
    const lowerLinks = new Map<string, Buffer>();
    const replacements: Replacement[] = [];
    for (const { parent, name, node } of deepestFirst(this.root)) {
      if (node.kind === "symlink" && node.of === undefined) {
        this.write({ ...node.entry, name: node.place });
        node.written = true;
      }
      if (node.kind === "lower-link") lowerLinks.set(node.place, node.source);
      const path = below(parent.place, name);
      const nothing = node.kind === "device";
      if (node.place !== path || (nothing && node.out))
        replacements.push({ path, by: nothing ? undefined : node.place });
      yield;
    }
    for (const { node } of deepestFirst(this.root)) {
      if (node.kind === "symlink" && node.of !== undefined) {
        // The target of the link may have been replaced since.
        const link = node.of.written ? node.entry : ({ ...node.entry, type: "symlink", target: node.target } as const);
        this.write({ ...link, name: node.place });
      }
      yield;
    }
    for (const { node } of deepestFirst(this.root)) if (node.kind === "directory") yield this.#finishFolder(node);
    yield this.#finishFolder(this.root);
    this.output.end();
    return { lowerLinks, replacements, staging: this.#staged > 0 ? this.#staging : undefined };
  }

  #finishFolder({ place, entry, opaque }: FolderNode): void {
    // overlayfs.rst: "y" in trusted.overlay.opaque.
    const xattrs = opaque ? new Map([...entry.xattrs, ["trusted.overlay.opaque", "y"]]) : entry.xattrs;
    this.write({ ...entry, name: place === "" ? "./" : place, target: "", xattrs });
  }

  /** The place for a new node: `elsewhere` if the unpacker cannot put it over the existing one. */
  #placeFor(parent: FolderNode, name: string, before: LayerNode | undefined, elsewhere: boolean): string {
    if (before === undefined) this.additions++;
    else this.changes++;
    if (!elsewhere) return before?.place ?? below(parent.place, name);
    const { uid = 0, gid = 0 } = this.#options.owner ?? {};
    if (this.#staged === 0) this.write({ ...folderEntry(this.#staging, undefined), mode: 0o700, uid, gid });
    return `${this.#staging}/${this.#staged++}`;
  }

  #find(names: readonly string[]): LayerNode | undefined {
    let at: LayerNode | undefined = this.root;
    for (const name of names) at = at?.kind === "directory" ? childOf(at, name) : undefined;
    return at;
  }

  #hide(path: string): void {
    const names = path.split("/");
    const name = names.pop() as string;
    const folder = this.#reach(names);
    // An opaque folder is not merged, so a whiteout in it would be visible.
    if (folder === undefined || folder.opaque) return;
    const node = childOf(folder, name);
    if (node !== undefined && node.kind !== "device") return;
    const place = node?.place ?? below(folder.place, name);
    this.write({ ...folderEntry(place, undefined), type: "character", mode: 0 });
    setChild(folder, name, { kind: "whiteout", place, out: true });
  }

  /** A folder with hidden entries of lower layers; it is made if only they have it. */
  #reach(names: readonly string[]): FolderNode | undefined {
    let at = this.root;
    for (const [depth, name] of names.entries()) {
      const node = childOf(at, name);
      if (at.opaque || (node !== undefined && node.kind !== "directory")) return undefined;
      const above = names.slice(0, depth + 1);
      const lower = node === undefined ? this.#options.lower.find(above) : undefined;
      if (node === undefined && lower?.kind !== "directory") return undefined;
      at = node ?? this.imply(at, name, above.join("/"), lower, names.join("/"));
    }
    return at;
  }
}
