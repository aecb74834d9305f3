import { ImageError } from "../../errors/all.ts";
import { shown, type TarEntry } from "../../tar/entry.ts";
import { imagePath, linkPath } from "../../tar/path.ts";
import type { TarSink } from "../../tar/reader.ts";
import type { TarWriter } from "../../tar/writer.ts";
import { LayerBudget } from "./budget.ts";
import { LayerTree, type LayerTreeOptions, type Unfinished } from "./layer-tree.ts";
import type { LayerLimits } from "./limits.ts";
import { below, childOf, type FolderNode } from "./nodes.ts";
import { type Reached, type WalkContext, walk } from "./walk.ts";
import { hiddenBy, isOfAufs, isOpaqueMark, isWhiteout } from "./whiteout-name.ts";
import { Whiteouts } from "./whiteouts.ts";
import { keptXattrs } from "./xattr.ts";

export interface LayerFilterOptions extends LayerTreeOptions {
  readonly limits: LayerLimits;
  /** Whether `.wh.` names are whiteouts. */
  readonly whiteouts: boolean;
}

/** Facts about a layer that was read. Paths are byte strings, relative to its root. */
export interface LayerFindings extends Unfinished {
  readonly entries: number;
  /** Device nodes that were left out. */
  readonly devices: number;
  /** Whether names in the form of whiteouts are files. */
  readonly literal: boolean;
  /** Folders that hide their content in lower layers. */
  readonly opaque: readonly string[];
}

/** A folder of this layer that something is put into. */
type Destination = Reached & { readonly folder: FolderNode };

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * Judges each entry of a layer's tar and writes the accepted entries to {@link output}, as another tar: it unpacks
 * safely in an empty folder whatever the unpacker does about links, and is already in overlayfs' form.
 *
 * The output has only names beneath the root, made of plain components; each folder before its content; symlinks after
 * everything else, so that nothing can be written through one; hard links only to files that came before; no devices
 * except whiteouts. Symlinks of the image in a name are followed here, within the root: the unpacker only sees the
 * resolved name.
 */
export class LayerFilter implements TarSink {
  readonly #options: LayerFilterOptions;
  readonly #tree: LayerTree;
  readonly #whiteouts: Whiteouts;
  readonly #budget: LayerBudget;
  readonly #context: WalkContext;
  /** The resolved folder of the last name: the next name is mostly in the same. */
  #resolved: { readonly name: string; readonly version: number; readonly folder: Destination } | undefined;
  #devices = 0;
  /** Whether a symlink led any name elsewhere: this layer may later put a folder in its place, or hide it. */
  #detours = false;
  #literal = false;
  /** Whether the data that follow belong to an entry of the output. */
  #passing = false;

  constructor(options: LayerFilterOptions) {
    this.#options = options;
    this.#budget = new LayerBudget(options.image, options.limits);
    this.#whiteouts = new Whiteouts(options.lower);
    this.#tree = new LayerTree(options, this.#budget);
    this.#context = {
      root: this.#tree.root,
      lower: options.lower,
      whiteouts: this.#whiteouts,
      budget: this.#budget,
      imply: (...facts) => this.#tree.imply(...facts),
      refuse: (name, why) => this.#refuse(name, why),
    };
  }

  get output(): TarWriter {
    return this.#tree.output;
  }

  entry(given: TarEntry): void {
    const { image, whiteouts } = this.#options;
    const entry = { ...given, xattrs: keptXattrs(given.xattrs) };
    this.#passing = false;
    this.#budget.entry(entry);
    const parts = imagePath(image, entry.name);
    const base = parts.pop();
    if (base === undefined) {
      if (entry.type !== "directory") this.#refuse(entry.name, `makes the root a ${entry.type}`);
      this.#tree.setRoot(entry);
      return;
    }
    this.#literal ||= !whiteouts && [...parts, base].some(isWhiteout);
    const within = whiteouts ? parts.find(isWhiteout) : undefined;
    if (within !== undefined && isOfAufs(within)) return;
    if (within !== undefined) this.#refuse(entry.name, "lies in a folder whose name is a whiteout");
    if (whiteouts && isWhiteout(base)) this.#whiteout(entry, parts, base);
    else this.#place(this.#resolve(entry, parts), base, entry);
  }

  data(bytes: Buffer): void {
    if (this.#passing) this.output.data(bytes);
  }

  /** Writes what had to wait for the end, an entry a step: together they are too much for memory. */
  *finish(): Generator<void, LayerFindings> {
    const opaque = yield* this.#tree.applyWhiteouts(this.#whiteouts);
    const unfinished = yield* this.#tree.finish();
    return {
      ...unfinished,
      opaque,
      entries: this.#budget.entries,
      devices: this.#devices,
      literal: this.#literal,
    };
  }

  #place(at: Destination, base: string, entry: TarEntry): void {
    const { folder } = at;
    this.#budget.path(entry.name, at.names.length + 1, at.path.length + 1 + base.length);
    switch (entry.type) {
      case "directory":
        this.#tree.putFolder(folder, base, entry);
        return;
      case "character":
      case "block":
        this.#leaveOut(at, base, entry);
        return;
      case "symlink": {
        const { target } = entry;
        if (target === "" || target.includes("\0")) this.#refuse(entry.name, "is a symlink to nothing");
        this.#tree.putLeaf(folder, base, entry, { kind: "symlink", entry: { ...entry, xattrs: NONE }, target });
        return;
      }
      case "link":
        this.#link(at, base, entry);
        return;
      case "file":
      case "fifo": {
        const { place } = this.#tree.putLeaf(folder, base, entry, { kind: "file" });
        this.#passing = true;
        this.#tree.write({ ...entry, name: place, target: "" });
        return;
      }
      default:
        entry.type satisfies never;
    }
  }

  #link(at: Destination, base: string, entry: TarEntry): void {
    const parts = linkPath(this.#options.image, entry.name, entry.target);
    const last = parts.pop() as string;
    const { reached } = walk(this.#context, entry.name, parts, "link");
    const node = childOf(reached?.folder, last);
    const link = { ...entry, target: node?.place ?? "", xattrs: NONE };
    if (node !== undefined && node === childOf(at.folder, base)) this.#refuse(entry.name, "is a hard link to itself");
    if (node?.kind === "directory") this.#refuse(entry.name, `is a hard link to the folder ${shown(entry.target)}`);
    if (node?.kind === "device") {
      this.#leaveOut(at, base, entry);
    } else if (node?.kind === "file") {
      const { place } = this.#tree.putLeaf(at.folder, base, entry, { kind: "file" });
      this.#tree.write({ ...link, name: place });
    } else if (node?.kind === "symlink") {
      const { target, of = node } = node;
      this.#tree.putLeaf(at.folder, base, entry, { kind: "symlink", entry: { ...link, target: of.place }, target, of });
    } else {
      const source = node?.kind === "lower-link" ? node.source : reached && this.#lowerFile(reached, last);
      if (source === undefined)
        this.#refuse(entry.name, `is a hard link to ${shown(entry.target)}, which is not a file of the image`);
      this.#tree.putLeaf(at.folder, base, entry, { kind: "lower-link", source });
    }
  }

  /** A hard link to a file, symlink or fifo of a lower layer: anything that link(2) accepts. */
  #lowerFile({ names, path, concealed }: Reached, last: string): Buffer | undefined {
    if (concealed || this.#whiteouts.hides(below(path, last))) return undefined;
    const found = this.#options.lower.find([...names, last]);
    return found?.kind === "directory" ? undefined : found?.host;
  }

  /** A node in the store would be a way to the host's own device; a container gets its devices from its driver. */
  #leaveOut(at: Destination, base: string, entry: TarEntry): void {
    this.#tree.putLeaf(at.folder, base, entry, { kind: "device" });
    this.#devices++;
    this.#whiteouts.hide(below(at.path, base));
  }

  /**
   * A whiteout that leads to no folder hides nothing: umoci writes one for everything in a folder that became a file.
   */
  #whiteout({ name }: TarEntry, parts: readonly string[], base: string): void {
    const content = isOpaqueMark(base);
    if (isOfAufs(base) && !content) return;
    const hidden = content ? undefined : hiddenBy(base);
    if (hidden === undefined && !content) this.#refuse(name, "is a whiteout of nothing");
    const { reached, detour } = walk(this.#context, name, parts, "hide");
    this.#detours ||= detour;
    if (this.#detours) this.#resolved = undefined;
    if (reached === undefined) return;
    const path = hidden === undefined ? reached.path : below(reached.path, hidden);
    this.#budget.path(name, reached.names.length + 1, path.length);
    this.#budget.hold(name, path);
    if (hidden === undefined) this.#whiteouts.hideContent(path);
    else this.#whiteouts.hide(path);
  }

  #resolve({ name }: TarEntry, parts: readonly string[]): Destination {
    const key = parts.join("/");
    const known = this.#resolved;
    if (known?.name === key && known.version === this.#version()) return known.folder;
    const { reached, detour } = walk(this.#context, name, parts, "make");
    this.#detours ||= detour;
    // What is to be made is there.
    const folder = reached as Destination;
    this.#resolved = { name: key, version: this.#version(), folder };
    return folder;
  }

  /**
   * Changes whenever a name may lead elsewhere than before, because a folder of this layer takes precedence over a
   * symlink beneath.
   */
  #version(): number {
    return this.#tree.changes + (this.#detours ? this.#tree.additions : 0);
  }

  #refuse(name: string, why: string): never {
    throw new ImageError(this.#options.image, `the tar entry ${shown(name)} ${why}`);
  }
}
