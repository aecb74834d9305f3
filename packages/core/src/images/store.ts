import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ImageDescription, ImageSourcePlugin } from "../contract/image-source.ts";
import type { ImageTree } from "../contract/image-tree.ts";
import type { ImageSource, ImportOptions } from "../contract/images.ts";
import { ImageError, InUseError, NotFoundError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import type { Image } from "../model/image.ts";
import { acquireLock } from "../system/lock.ts";
import { makeFolders } from "../system/make-folders.ts";
import { syncFolder } from "../system/replace-file.ts";
import { ImageAliases, withAliases } from "./aliases.ts";
import { Draft } from "./draft.ts";
import { syncFileSystem } from "./durable.ts";
import { hashOf } from "./fingerprint.ts";
import { ImageFolders } from "./folders.ts";
import type { ImageIssue, ImageStore, ImageUsers } from "./image-store.ts";
import { assertImportOptions } from "./import-options.ts";
import { KnownSources } from "./known-sources.ts";
import { DEFAULT_LAYER_LIMITS, type LayerLimits } from "./layer/limits.ts";
import { asFolder, hexOf, LayerStore } from "./layer-store.ts";
import { mergeLayers } from "./merge.ts";
import { type ImageRecord, ImageRecords, imageRecord } from "./records.ts";
import { resolveReference } from "./reference.ts";
import { findOrigin } from "./source/find-origin.ts";
import type { ImageOrigin } from "./source/origin.ts";
import { discardUnused, emptyTrash, recoverStore, storeIssues } from "./sweep.ts";

export interface OpenImageStoreOptions extends Abortable {
  /** Made with 0700 if it is missing. Several processes may have it open at the same time. */
  readonly folder: string;
  /** Sources beside core's own. */
  readonly plugins?: readonly ImageSourcePlugin[] | undefined;
  /** Asked before an image is deleted. Default: no image is in use. */
  readonly users?: ImageUsers | undefined;
  /** Default: 64 GiB, a million entries, and 256 MiB of memory for their names. */
  readonly limits?: Partial<LayerLimits> | undefined;
}

/** Opens the store of images in a folder, and first removes what dead imports left there. */
export async function openImageStore(options: OpenImageStoreOptions): Promise<ImageStore> {
  const folders = new ImageFolders(options.folder);
  makeFolders(folders.root, 0o700);
  makeFolders(folders.locks);
  await recoverStore(folders, options);
  return new FolderImageStore(folders, options);
}

class FolderImageStore implements ImageStore {
  readonly #folders: ImageFolders;
  readonly #plugins: readonly ImageSourcePlugin[];
  readonly #users: ImageUsers;
  readonly #limits: LayerLimits;
  readonly #layers: LayerStore;
  readonly #records: ImageRecords;
  readonly #aliases: ImageAliases;
  readonly #known: KnownSources;

  constructor(folders: ImageFolders, { plugins, users, limits }: OpenImageStoreOptions) {
    this.#folders = folders;
    this.#plugins = plugins ?? [];
    this.#users = users ?? (async () => []);
    this.#limits = { ...DEFAULT_LAYER_LIMITS, ...limits };
    this.#layers = new LayerStore(folders.layers);
    this.#records = new ImageRecords(folders.records);
    this.#aliases = new ImageAliases(folders.aliases);
    this.#known = new KnownSources(folders.sources);
  }

  async import(source: ImageSource, options: ImportOptions = {}): Promise<Image> {
    assertImportOptions(options);
    options.signal?.throwIfAborted();
    const origin = await findOrigin(source, this.#plugins, this.#limits, options);
    // A second import of the same source waits here, then finds the image.
    await using _turn = await acquireLock(this.#lockOf("import", origin.lock), { ...options, retire: true });
    return (await this.#find(origin, options)) ?? (await this.#load(origin, options));
  }

  async get(reference: string, options: Abortable = {}): Promise<Image> {
    options.signal?.throwIfAborted();
    const fingerprint = await this.#resolve(reference);
    const record = await this.#records.read(fingerprint);
    if (record === undefined) throw new NotFoundError("image", reference);
    return withAliases(record, (await this.#aliases.readable()).aliases);
  }

  async list(options: Abortable = {}): Promise<readonly Image[]> {
    options.signal?.throwIfAborted();
    const [{ records }, { aliases }] = await Promise.all([this.#records.list(), this.#aliases.readable()]);
    return records.map((record) => withAliases(record, aliases));
  }

  async delete(reference: string, options: Abortable = {}): Promise<void> {
    {
      await using _lock = await acquireLock(this.#folders.storeLock, options);
      const fingerprint = await this.#resolve(reference);
      const users = await this.#users(fingerprint);
      if (users.length > 0) throw new InUseError("image", reference, users);
      options.signal?.throwIfAborted();
      await this.#records.remove(fingerprint);
      await this.#aliases.removeAll(fingerprint);
      await discardUnused(this.#folders);
    }
    await emptyTrash(this.#folders);
  }

  async tree(image: Image, options: Abortable = {}): Promise<ImageTree> {
    await using _lock = await acquireLock(this.#folders.storeLock, { ...options, mode: "shared" });
    const record = await this.#records.read(image.fingerprint);
    if (record === undefined) throw new NotFoundError("image", image.fingerprint);
    if (record.disk !== undefined)
      return { kind: "disk", path: this.#blob(record.disk.digest), format: record.disk.format };
    return {
      kind: "layers",
      layers: record.layers.map(({ chainId }) => this.#layers.tree(chainId)),
      merged: (merge = {}) => this.#merged(record, merge),
    };
  }

  issues(): Promise<readonly ImageIssue[]> {
    return storeIssues(this.#folders);
  }

  /** The fingerprint for a reference, also of an image whose record cannot be read. */
  async #resolve(reference: string): Promise<string> {
    const [{ records, unreadable }, { aliases, error }] = await Promise.all([
      this.#records.list(),
      this.#aliases.readable(),
    ]);
    const fingerprints = [...records, ...unreadable].map(({ fingerprint }) => fingerprint);
    try {
      return resolveReference(reference, fingerprints, aliases);
    } catch (failure) {
      // Then it is unknown whether the name exists.
      throw failure instanceof NotFoundError && error !== undefined ? error : failure;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // No state is held between calls.
  }

  async #find(origin: ImageOrigin, options: ImportOptions): Promise<Image | undefined> {
    if (origin.identity === undefined) return undefined;
    const known = await this.#known.find(identityOf(origin, options), options.digest);
    if (known === undefined) return undefined;
    await using _lock = await acquireLock(this.#folders.storeLock, options);
    const { records } = await this.#records.list();
    const record = records.find(({ fingerprint }) => fingerprint === known.fingerprint);
    return record && (await this.#name(record, options));
  }

  async #load(origin: ImageOrigin, options: ImportOptions): Promise<Image> {
    const { name: image } = origin;
    await using draft = await Draft.open(this.#folders, this.#layers, { ...options, image, limits: this.#limits });
    const description = await origin.load(draft, options);
    options.signal?.throwIfAborted();
    // The record that vouches for it must not outlive it when the power goes.
    if (draft.hasContent) await syncFileSystem(this.#folders.root, options);
    options.signal?.throwIfAborted();
    return await this.#commit(draft, description, origin, options);
  }

  /**
   * From here on an abort has no effect: there are only a few renames, and the record, written last, makes the image
   * exist.
   */
  async #commit(
    draft: Draft,
    description: ImageDescription,
    origin: ImageOrigin,
    options: ImportOptions,
  ): Promise<Image> {
    await using _lock = await acquireLock(this.#folders.storeLock);
    const { records } = await this.#records.list();
    // A record that cannot be read is written again.
    const before = records.find(({ fingerprint }) => fingerprint === description.fingerprint);
    const record = before ?? imageRecord(draft, description, origin.name);
    if (before === undefined) {
      await this.#layers.adopt(draft.layers);
      if (draft.disk !== undefined) {
        makeFolders(this.#folders.blobs);
        await rename(draft.disk.path, this.#blob(draft.disk.digest));
        await syncFolder(this.#folders.blobs);
      }
      await this.#records.write(record);
    }
    if (origin.identity !== undefined)
      await this.#known.remember(identityOf(origin, options), {
        fingerprint: record.fingerprint,
        digest: options.digest,
      });
    return await this.#name(record, options);
  }

  /** Call it only under the store's lock. */
  async #name(record: ImageRecord, { aliases = [] }: ImportOptions): Promise<Image> {
    await this.#aliases.assign(aliases, record.fingerprint);
    return withAliases(record, (await this.#aliases.readable()).aliases);
  }

  async #merged(record: ImageRecord, options: Abortable): Promise<string> {
    const top = record.layers.at(-1);
    if (top === undefined)
      throw new ImageError(record.source, "it is empty: it has no layer, and so nothing to start; use another image");
    if (record.layers.length === 1) return this.#layers.tree(top.chainId);
    const place = join(this.#folders.merged, hexOf(top.chainId));
    await using _turn = await acquireLock(this.#lockOf("merge", top.chainId), { ...options, retire: true });
    if (await exists(place)) return join(place, "tree");
    const folders = await Promise.all(
      record.layers.map(async ({ chainId }) => {
        const stored = await this.#layers.read(chainId);
        if (stored === undefined) throw new NotFoundError("image", record.fingerprint);
        return asFolder(this.#layers.tree(chainId), stored);
      }),
    );
    await using draft = await Draft.open(this.#folders, this.#layers, {
      ...options,
      image: record.fingerprint,
      limits: this.#limits,
    });
    await mergeLayers(folders, join(draft.folder, "tree"), { ...options, descriptors: draft.descriptors });
    // A tree with its final name counts as complete.
    await syncFileSystem(this.#folders.root, options);
    await using _lock = await acquireLock(this.#folders.storeLock, options);
    if ((await this.#records.read(record.fingerprint)) === undefined)
      throw new NotFoundError("image", record.fingerprint);
    makeFolders(this.#folders.merged);
    await rename(draft.folder, place);
    return join(place, "tree");
  }

  #blob(digest: string): string {
    return join(this.#folders.blobs, hexOf(digest));
  }

  #lockOf(verb: "import" | "merge", subject: unknown): string {
    return join(this.#folders.locks, `${verb}-${hexOf(hashOf(subject)).slice(0, 32)}`);
  }
}

/** The result of an import also depends on its options. */
function identityOf({ identity }: ImageOrigin, { architecture }: ImportOptions): unknown {
  return { identity, architecture };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
