import { randomUUID } from "node:crypto";
import { HostError } from "../../contract/errors.ts";
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
  /** Who all of it must belong to, for an unpacker that cannot give files away. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** `path` is removed with all that is in it, and what was unpacked at `by` takes its place. */
export interface Replacement {
  readonly path: string;
  readonly by: string | undefined;
}

/** What is left to do where the output was unpacked, in this order. Paths are byte strings, relative to its root. */
export interface Unfinished {
  /** Hard links whose target is in a lower layer: path here, file there. */
  readonly lowerLinks: ReadonlyMap<string, Buffer>;
  /** Where a later entry is of another kind than an earlier one. */
  readonly replacements: readonly Replacement[];
  /** The folder that the replacements came from: it goes. */
  readonly staging: string | undefined;
}

/**
 * What a layer has, as far as it was read, and the tar that makes it. Folders and files are written as they come,
 * symlinks at the end, and then all folders again with what the archive says of them, each after what is in it.
 *
 * The later of two entries of a name wins. What the unpacker cannot put over what is there already, since one of them
 * is a folder, is unpacked elsewhere, and takes its place when all is unpacked.
 */
export class LayerTree {
  readonly output = new TarWriter();
  readonly root: FolderNode = { kind: "directory", place: "", entry: folderEntry("./", undefined) };
  /** How often something new came in the place of something else, and how often where there was nothing. */
  changes = 0;
  additions = 0;
  readonly #options: LayerTreeOptions;
  readonly #budget: LayerBudget;
  /** A name that no archive can foresee. */
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

  /** Puts something that is no folder; `entry` is what the archive says of it. */
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
    // Until all that is in it has come, without what could keep it out or be handed down.
    this.write({ ...entry, name: place, target: "", mode: 0o700, mtime: "0", xattrs: NONE });
    return folder;
  }

  /** A folder that no entry lists, like that of the layers beneath, for the sake of `entry`. */
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
   * Makes whiteouts true, now that this layer's own content is known: 0/0 devices, and marks on folders. By layer.md
   * they are for lower layers only, so that a folder of this layer shows its own content alone. Returns the folders.
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
        // What it was a link to may have been replaced since.
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

  /** Where something new is unpacked: `elsewhere` if the unpacker cannot put it over what is there already. */
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
    // What is opaque is not merged, so that a node in it would show.
    if (folder === undefined || folder.opaque) return;
    const node = childOf(folder, name);
    if (node !== undefined && node.kind !== "device") return;
    const place = node?.place ?? below(folder.place, name);
    this.write({ ...folderEntry(place, undefined), type: "character", mode: 0 });
    setChild(folder, name, { kind: "whiteout", place, out: true });
  }

  /** A folder in which something of lower layers is out of sight, made where they alone have it. */
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
