import { HostError, ImageError } from "../../contract/errors.ts";
import { shown, type TarEntry } from "../../tar/entry.ts";
import type { TarSink } from "../../tar/reader.ts";
import { TarWriter } from "../../tar/writer.ts";
import { LayerBudget } from "./budget.ts";
import type { LayerLimits } from "./limits.ts";
import { folderEntry, type LowerLayers, MAX_SYMLINKS, symlinkTarget } from "./lower-layers.ts";
import { entryPath, linkPath } from "./path.ts";
import { hiddenBy, isOfAufs, isOpaqueMark, isWhiteout } from "./whiteout-name.ts";
import { Whiteouts } from "./whiteouts.ts";
import { keptXattrs } from "./xattr.ts";

export interface LayerFilterOptions {
  /** For messages. */
  readonly image: string;
  readonly lower: LowerLayers;
  readonly limits: LayerLimits;
  /** Whether `.wh.` names are whiteouts. */
  readonly whiteouts: boolean;
  /** Who all of it must belong to, for an unpacker that cannot give files away. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** What a layer turned out to hold. Paths are byte strings, relative to its root. */
export interface LayerFindings {
  readonly entries: number;
  /** Device nodes that were left out. */
  readonly devices: number;
  /** Whether names that would be whiteouts are files. */
  readonly literal: boolean;
  /** Folders that hide what lies beneath them. */
  readonly opaque: readonly string[];
  /** Hard links whose target is in a lower layer: path here, file there. */
  readonly lowerLinks: ReadonlyMap<string, Buffer>;
}

type Kind = "directory" | "file" | "symlink" | "lower-link" | "device";

const NONE: ReadonlyMap<string, string> = new Map();

/**
 * Judges each entry of a layer's tar and writes what may be unpacked to {@link output}, as another tar: one that
 * unpacks safely in an empty folder whatever the unpacker does about links, and that is already in overlayfs' form.
 *
 * What comes out has only names beneath the root, made of plain components; each folder before what is in it; symlinks
 * after everything else, so that nothing can be written through one; hard links only to files that came out before; no
 * devices but whiteouts.
 */
export class LayerFilter implements TarSink {
  readonly output = new TarWriter();
  readonly #options: LayerFilterOptions;
  readonly #kinds = new Map<string, Kind>();
  readonly #folders = new Map<string, TarEntry>();
  readonly #symlinks = new Map<string, TarEntry>();
  /** Hard links to symlinks: come out after them. */
  readonly #symlinkLinks = new Map<string, TarEntry>();
  readonly #lowerLinks = new Map<string, Buffer>();
  readonly #whiteouts: Whiteouts;
  readonly #budget: LayerBudget;
  /** Where the folder of the last name as written leads: the next name is mostly in the same. */
  #resolved: { readonly name: string; readonly folder: readonly string[] } | undefined;
  #devices = 0;
  /** Whether a symlink beneath led any name elsewhere: this layer may yet put a folder in its place, or hide it. */
  #detours = false;
  #literal = false;
  #rootGiven = false;
  /** Whether the data that follow belong to what came out. */
  #passing = false;

  constructor(options: LayerFilterOptions) {
    this.#options = options;
    this.#budget = new LayerBudget(options.image, options.limits);
    this.#whiteouts = new Whiteouts(options.lower);
    this.#kinds.set("", "directory");
  }

  entry(given: TarEntry): void {
    const { image, whiteouts } = this.#options;
    const entry = { ...given, xattrs: keptXattrs(given.xattrs) };
    this.#passing = false;
    this.#budget.entry(entry);
    const parts = entryPath(image, entry.name);
    const base = parts.pop();
    if (base === undefined) {
      if (entry.type !== "directory") this.#refuse(entry.name, `makes the root a ${entry.type}`);
      this.#rootGiven = true;
      this.#folder("", { ...entry, name: "./" });
      return;
    }
    this.#literal ||= !whiteouts && [...parts, base].some(isWhiteout);
    const within = whiteouts ? parts.find(isWhiteout) : undefined;
    if (within !== undefined && isOfAufs(within)) return;
    if (within !== undefined) this.#refuse(entry.name, "lies in a folder whose name is a whiteout");
    const folder = this.#resolve(entry.name, parts);
    this.#budget.path(entry.name, [...folder, base]);
    if (whiteouts && isWhiteout(base)) this.#whiteout(entry.name, folder, base);
    else this.#place([...folder, base].join("/"), entry);
  }

  data(bytes: Buffer): void {
    if (this.#passing) this.output.data(bytes);
  }

  /** Writes what had to wait for the end, an entry a step: together they are too much for memory. */
  *finish(): Generator<void, LayerFindings> {
    const { lower } = this.#options;
    if (!this.#rootGiven) this.#folder("", folderEntry("./", lower.find([])));
    const { nodes, opaque } = this.#whiteouts.resolve((path) => {
      const kind = this.#kinds.get(path);
      return kind === "device" ? undefined : kind === "directory" ? kind : kind && "other";
    });
    for (const path of nodes) yield this.#write({ ...folderEntry(path, undefined), type: "character", mode: 0 });
    for (const path of opaque) yield this.#markOpaque(path);
    for (const [path, entry] of this.#symlinks) yield this.#write({ ...entry, name: path });
    for (const [path, entry] of this.#symlinkLinks) yield this.#write({ ...entry, name: path });
    this.output.end();
    const { entries } = this.#budget;
    return { entries, devices: this.#devices, literal: this.#literal, opaque, lowerLinks: this.#lowerLinks };
  }

  #place(path: string, entry: TarEntry): void {
    switch (entry.type) {
      case "directory":
        this.#folder(path, { ...entry, name: path });
        return;
      case "character":
      case "block":
        this.#leaveOut(path, entry);
        return;
      case "symlink":
        this.#claim(path, "symlink", entry);
        if (entry.target === "" || entry.target.includes("\0")) this.#refuse(entry.name, "is a symlink to nothing");
        this.#symlinks.set(path, { ...entry, xattrs: NONE });
        return;
      case "link":
        this.#link(path, entry);
        return;
      case "file":
      case "fifo":
        this.#claim(path, "file", entry);
        this.#passing = true;
        this.#write({ ...entry, name: path, target: "" });
        return;
      default:
        entry.type satisfies never;
    }
  }

  #link(path: string, entry: TarEntry): void {
    const parts = linkPath(this.#options.image, entry.name, entry.target);
    const base = parts.pop() as string;
    const folder = this.#walk(entry.name, parts, false);
    const target = folder && [...folder, base].join("/");
    const kind = target === undefined ? undefined : this.#kinds.get(target);
    if (kind === "device") {
      this.#leaveOut(path, entry);
      return;
    }
    if (target === path) this.#refuse(entry.name, "is a hard link to itself");
    if (kind === "directory") this.#refuse(entry.name, `is a hard link to the folder ${shown(entry.target)}`);
    const link = { ...entry, target: target ?? "", mode: entry.mode, xattrs: NONE };
    if (target !== undefined && kind === "file") {
      this.#claim(path, "file", entry);
      this.#write({ ...link, name: path });
    } else if (target !== undefined && kind === "symlink") {
      this.#claim(path, "symlink", entry);
      this.#symlinkLinks.set(path, link);
    } else {
      const hidden = target === undefined || this.#whiteouts.conceals(target);
      const source =
        kind === "lower-link" ? this.#lowerLinks.get(target as string) : hidden ? undefined : this.#lowerFile(target);
      if (source === undefined)
        this.#refuse(entry.name, `is a hard link to ${shown(entry.target)}, which is no file of the image`);
      this.#claim(path, "lower-link", entry);
      this.#lowerLinks.set(path, source);
    }
  }

  /** A node in the store would be a way to the host's own device; a container gets its devices from its driver. */
  #leaveOut(path: string, entry: TarEntry): void {
    const before = this.#kinds.get(path);
    // It came out already.
    if (before === "file") this.#refuse(entry.name, "is a device with the name of a file before it");
    this.#claim(path, "device", entry);
    this.#devices++;
    this.#whiteouts.hide(path);
  }

  #lowerFile(target: string): Buffer | undefined {
    const found = this.#options.lower.find(target.split("/"));
    return found?.kind === "file" ? found.host : undefined;
  }

  #whiteout(name: string, folder: readonly string[], base: string): void {
    if (this.#detours) this.#resolved = undefined;
    if (isOpaqueMark(base)) {
      this.#whiteouts.hideContent(folder.join("/"));
      return;
    }
    if (isOfAufs(base)) return;
    const hidden = hiddenBy(base);
    if (hidden === undefined) this.#refuse(name, "is a whiteout of nothing");
    const path = [...folder, hidden].join("/");
    this.#budget.hold(name, path);
    this.#whiteouts.hide(path);
  }

  #markOpaque(path: string): void {
    const entry = this.#folders.get(path) as TarEntry;
    // overlayfs.rst: "y" in trusted.overlay.opaque.
    this.#write({ ...entry, xattrs: new Map([...entry.xattrs, ["trusted.overlay.opaque", "y"]]) });
  }

  #folder(path: string, entry: TarEntry): void {
    if (path !== "") this.#claim(path, "directory", entry);
    const folder = { ...entry, target: "" };
    this.#folders.set(path, folder);
    this.#write(folder);
  }

  /** A later entry of the same name replaces the earlier one, but no folder becomes something else or the reverse. */
  #claim(path: string, kind: Kind, entry: TarEntry): void {
    const before = this.#kinds.get(path);
    if (before !== undefined && (before === "directory") !== (kind === "directory"))
      this.#refuse(entry.name, "has the name of an entry before it, and one of them is a folder");
    if (this.#detours && before === undefined) this.#resolved = undefined;
    this.#budget.hold(entry.name, path, kind === "file" ? undefined : entry);
    this.#symlinks.delete(path);
    this.#symlinkLinks.delete(path);
    this.#lowerLinks.delete(path);
    this.#kinds.set(path, kind);
  }

  #resolve(name: string, parts: readonly string[]): readonly string[] {
    const key = parts.join("/");
    if (this.#resolved?.name === key) return this.#resolved.folder;
    const folder = this.#walk(name, parts, true) as string[];
    this.#resolved = { name: key, folder };
    return folder;
  }

  /**
   * The folder that `parts` lead to: through this layer's own folders, then those of the layers beneath, whose symlinks
   * count (a layer for `/bin/x` on a merged `/usr`), held within the root. Makes folders that this layer lacks, like
   * those beneath; or without `make` returns nothing where there is none.
   */
  #walk(name: string, parts: readonly string[], make: boolean): string[] | undefined {
    const { lower } = this.#options;
    let at: string[] = [];
    const todo = [...parts].reverse();
    let symlinks = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        at = at.slice(0, -1);
        continue;
      }
      const next = [...at, part];
      this.#budget.path(name, next);
      const path = next.join("/");
      const kind = this.#kinds.get(path);
      if (kind === "symlink") this.#refuse(name, `goes through the symlink ${shown(path)} of the same archive`);
      if (kind === "file" || kind === "lower-link" || kind === "device")
        this.#refuse(name, `lies beneath ${shown(path)}, which is no folder`);
      if (kind === undefined) {
        const found = this.#whiteouts.conceals(path) ? undefined : lower.find(next);
        if (found?.kind === "symlink") {
          if (++symlinks > MAX_SYMLINKS) this.#refuse(name, "goes through too many symlinks of the layers beneath");
          this.#detours = true;
          const target = symlinkTarget(found);
          if (target.startsWith("/")) at = [];
          todo.push(...target.split("/").reverse());
          continue;
        }
        if (make) {
          this.#budget.folder(name);
          this.#folder(path, folderEntry(path, found));
        } else if (found?.kind !== "directory") return undefined;
      }
      at = next;
    }
    return at;
  }

  #write(entry: TarEntry): void {
    const { image, owner } = this.#options;
    if (owner !== undefined && (entry.uid !== owner.uid || entry.gid !== owner.gid)) {
      const reason = `it has files of ${entry.uid}:${entry.gid}, and only root can give files to others`;
      throw new HostError(`unpack image ${image}`, [{ need: "root", reason, fix: "run as root" }]);
    }
    this.output.entry(entry);
  }

  #refuse(name: string, why: string): never {
    throw new ImageError(this.#options.image, `the tar entry ${shown(name)} ${why}`);
  }
}
