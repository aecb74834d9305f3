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
   * Whether what lower layers have at this very path is out of sight. Only whiteouts that came before count: by
   * layer.md they "SHOULD appear before sibling directory entries", but are to be applied first wherever they stand.
   * That would take a second reading; here, what an earlier entry was led by stays.
   */
  hides(path: string): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(path);
  }

  /** Hides all that lies beneath a folder; the root is `""`. */
  hideContent(folder: string): void {
    this.#opaque.add(folder);
  }

  /** Whether all that lower layers have in this very folder is out of sight. */
  isOpaque(folder: string): boolean {
    return this.#opaque.size > 0 && this.#opaque.has(folder);
  }

  /** Folders of which all that lower layers have in them is out of sight, but for the root. */
  *contents(): Generator<string> {
    for (const path of this.#opaque) if (path !== "") yield path;
  }

  /** What is out of sight by its own name. */
  names(): Iterable<string> {
    // overlayfs does not look for its mark on the root of a layer: each name there is hidden instead.
    if (this.#opaque.has("")) for (const name of this.#lower.rootNames()) this.#hidden.add(name);
    return this.#hidden;
  }
}
