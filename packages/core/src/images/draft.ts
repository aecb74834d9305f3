import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ImageDraft, LayerSource } from "../contract/image-source.ts";
import type { ProgressOptions } from "../flow/abortable.ts";
import type { Layer } from "../model/image.ts";
import { acquireLock, type Lock } from "../system/lock.ts";
import { makeFolders } from "../system/make-folders.ts";
import { Mutex } from "../system/mutex.ts";
import { spawn } from "../system/spawn.ts";
import type { ImageFolders } from "./folders.ts";
import type { LayerLimits } from "./layer/limits.ts";
import type { LayerFolder } from "./layer/lower-layers.ts";
import { unpackLayer } from "./layer/unpack.ts";
import { asFolder, asLayer, chainId, describeLayer, hexOf, type LayerStore, type StoredLayer } from "./layer-store.ts";

/** Milliseconds that an aborted import waits for the removal of what it unpacked. */
const REMOVAL_TIMEOUT = 1000;

export interface DraftOptions extends ProgressOptions {
  /** For messages. */
  readonly image: string;
  readonly limits: LayerLimits;
}

interface DraftLayer {
  readonly stored: StoredLayer;
  /** Its folder until it is committed. Absent for a layer that the store has. */
  readonly place?: string | undefined;
  readonly folder: LayerFolder;
}

/**
 * An import under way: scratch space under a lock that a process releases when it dies, so the next open can clear it.
 */
export class Draft implements ImageDraft, AsyncDisposable {
  readonly folder: string;
  readonly #home: string;
  readonly #lock: Lock;
  readonly #folders: ImageFolders;
  readonly #store: LayerStore;
  readonly #options: DraftOptions;
  readonly #order = new Mutex();
  readonly #layers: DraftLayer[] = [];
  /** A disk that was put in place, with its digest. */
  disk: { readonly path: string; readonly digest: string; readonly size: number } | undefined;

  private constructor(home: string, lock: Lock, folders: ImageFolders, store: LayerStore, options: DraftOptions) {
    this.#home = home;
    this.folder = join(home, "work");
    this.#lock = lock;
    this.#folders = folders;
    this.#store = store;
    this.#options = options;
  }

  static async open(folders: ImageFolders, store: LayerStore, options: DraftOptions): Promise<Draft> {
    makeFolders(folders.drafts);
    const home = join(folders.drafts, randomUUID());
    const lock = await acquireLock(`${home}.lock`, options);
    const draft = new Draft(home, lock, folders, store, options);
    try {
      for (const name of ["work", "layers", "pins"]) makeFolders(join(home, name), 0o700);
      return draft;
    } catch (error) {
      await draft[Symbol.asyncDispose]();
      throw error;
    }
  }

  get descriptors(): readonly number[] {
    return [this.#lock.descriptor];
  }

  get maxBytes(): number {
    return this.#options.limits.bytes;
  }

  /** Whether it has content that the store does not have. */
  get hasContent(): boolean {
    return this.disk !== undefined || this.#layers.some(({ place }) => place !== undefined);
  }

  get layers(): readonly DraftLayer[] {
    return this.#layers;
  }

  get layerFolders(): readonly LayerFolder[] {
    return this.#layers.map(({ folder }) => folder);
  }

  addLayer(source: LayerSource): Promise<Layer> {
    return this.#order.run(async () => {
      const layer = (await this.#reuse(source)) ?? (await this.#unpack(source));
      this.#layers.push(layer);
      return asLayer(layer.stored);
    }, this.#options);
  }

  /**
   * After an abort a long removal goes on in the background; if this process ends first, the next open continues it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const removed = removeByTool(this.#home).then(() => this.#lock.retire());
    removed.catch(() => undefined);
    if (!this.#options.signal?.aborted) return await removed;
    await Promise.race([removed, delay(REMOVAL_TIMEOUT, undefined, { ref: false })]);
  }

  get #parent(): string | undefined {
    return this.#layers.at(-1)?.stored.chainId;
  }

  async #reuse(source: LayerSource): Promise<DraftLayer | undefined> {
    // Only reading shows whether a tar without whiteouts is the same tree: see chainId().
    if (source.diffId === undefined || !source.whiteouts) return undefined;
    const chain = chainId(this.#parent, source.diffId);
    await using _lock = await acquireLock(this.#folders.storeLock, { ...this.#options, mode: "shared" });
    const stored = await this.#store.readable(chain);
    if (stored === undefined) return undefined;
    // A deletion of an image meanwhile sees that this layer is in use.
    await writeFile(join(this.#home, "pins", hexOf(chain)), "");
    return { stored, folder: asFolder(this.#store.tree(chain), stored) };
  }

  async #unpack(source: LayerSource): Promise<DraftLayer> {
    const { image, limits, signal, onProgress } = this.#options;
    const place = join(this.#home, "layers", String(this.#layers.length));
    const tree = join(place, "tree");
    await mkdir(place, { mode: 0o700 });
    signal?.throwIfAborted();
    const found = await unpackLayer(await source.open(), tree, {
      image,
      limits,
      signal,
      onProgress,
      descriptors: this.descriptors,
      lower: this.layerFolders,
      whiteouts: source.whiteouts,
      digest: source.digest,
      diffId: source.diffId,
      size: source.size,
    });
    const stored: StoredLayer = {
      diffId: found.diffId,
      chainId: chainId(this.#parent, found.diffId, found.literal),
      size: found.size,
      entries: found.entries,
      devices: found.devices,
      opaque: [...found.opaque],
    };
    await describeLayer(place, stored);
    return { stored, place, folder: asFolder(tree, stored) };
  }
}

/** Removes a tree of any size, in a process of its own. It cannot be aborted. */
export async function removeByTool(path: string): Promise<void> {
  await spawn(["rm", "-rf", "--one-file-system", "--", path]);
}
