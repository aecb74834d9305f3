import type { LowerLayers } from "./lower-layers.ts";

/** What a layer hides of those beneath it (OCI image-spec, layer.md, "Whiteouts"). Paths are byte strings. */
export class Whiteouts {
  readonly #lower: LowerLayers;
  readonly #hidden = new Set<string>();
  readonly #opaque = new Set<string>();

  constructor(lower: LowerLayers) {
    this.#lower = lower;
  }

  /** Where nothing is hidden the node would show in listings: overlayfs filters only folders that it merges. */
  hide(path: string): void {
    if (this.#lower.find(path.split("/")) !== undefined) this.#hidden.add(path);
  }

  /**
   * Whether what lower layers have at a path is out of sight, by itself or with a folder above it. Only whiteouts that
   * came before count: by layer.md they "SHOULD appear before sibling directory entries", but are to be applied first
   * wherever they stand. That would take a second reading; here, what an earlier entry was led by stays.
   */
  conceals(path: string): boolean {
    return (
      this.#hidden.has(path) || isWithin(path, this.#hidden) || this.#opaque.has("") || isWithin(path, this.#opaque)
    );
  }

  /** Hides all that lies beneath a folder; the root is `""`. */
  hideContent(folder: string): void {
    this.#opaque.add(folder);
  }

  /** What a layer is to have for it, once its own content is known: 0/0 devices, and marks on its folders. */
  resolve(kindOf: (path: string) => "directory" | "other" | undefined): {
    readonly nodes: readonly string[];
    readonly opaque: readonly string[];
  } {
    // overlayfs does not look for its mark on the root of a layer: each name there is hidden instead.
    if (this.#opaque.delete("")) for (const name of this.#lower.rootNames()) this.#hidden.add(name);
    // layer.md: a whiteout is for lower layers only. A folder of this layer beside it shows its own content alone.
    for (const path of this.#hidden) if (kindOf(path) === "directory") this.#opaque.add(path);
    const opaque = [...this.#opaque].filter((path) => this.#lower.find(path.split("/"))?.kind === "directory");
    const marked = new Set(opaque);
    // What is opaque is not merged, so that a node in it would show.
    const nodes = [...this.#hidden].filter((path) => kindOf(path) === undefined && !isWithin(path, marked));
    return { nodes, opaque };
  }
}

/** Whether a folder above `path` is one of these. */
function isWithin(path: string, folders: ReadonlySet<string>): boolean {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
    if (folders.has(path.slice(0, end))) return true;
  return false;
}
