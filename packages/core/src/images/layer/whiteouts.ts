import type { LowerLayers } from "./lower-layers.ts";

/** What a layer hides of the lower layers (OCI image-spec, layer.md, "Whiteouts"). Paths are byte strings. */
export class Whiteouts {
  readonly #lower: LowerLayers;
  readonly #hidden = new Set<string>();
  readonly #opaque = new Set<string>();

  constructor(lower: LowerLayers) {
    this.#lower = lower;
  }

  /** If nothing is hidden, the node would show in listings: overlayfs filters only folders that it merges. */
  hide(path: string): void {
    if (this.#lower.find(path.split("/")) !== undefined) this.#hidden.add(path);
  }

  /**
   * Whether exactly this path of the lower layers is hidden. Only earlier whiteouts count: by layer.md they "SHOULD
   * appear before sibling directory entries", but are to be applied first wherever they stand. That would need a second
   * reading; here, earlier entries keep the path that they were resolved to.
   */
  hides(path: string): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(path);
  }

  /** Hides everything beneath a folder; the root is `""`. */
  hideContent(folder: string): void {
    this.#opaque.add(folder);
  }

  /** Whether the whole content of exactly this folder in lower layers is hidden. */
  isOpaque(folder: string): boolean {
    return this.#opaque.size > 0 && this.#opaque.has(folder);
  }

  /** Folders whose whole content in lower layers is hidden, except the root. */
  *contents(): Generator<string> {
    for (const path of this.#opaque) if (path !== "") yield path;
  }

  /** The paths that are hidden by name. */
  names(): Iterable<string> {
    // overlayfs does not look for its mark on the root of a layer: each name there is hidden instead.
    if (this.#opaque.has("")) for (const name of this.#lower.rootNames()) this.#hidden.add(name);
    return this.#hidden;
  }
}
