import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ImageDescription } from "../contract/image-source.ts";
import { ImageError } from "../errors/all.ts";
import { type Image, ImageSchema } from "../model/image.ts";
import { loosened } from "../model/loosened.ts";
import { newerThanThis, refuseNewer, STORED, tooNew } from "../model/stored.ts";
import { makeFolders } from "../system/make-folders.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { Draft } from "./draft.ts";
import { asLayer, hexOf } from "./layer-store.ts";

const VERSION = 1;
// Aliases are kept apart: one moves from image to image in one write.
const RecordSchema = z.looseObject({ ...STORED, image: loosened(ImageSchema.omit({ aliases: true })) });

export type ImageRecord = Omit<Image, "aliases">;

/** A record that exists and cannot be read. It may refer to any content of the store. */
export interface UnreadableRecord {
  readonly fingerprint: string;
  /** Names the file and the fix. */
  readonly error: ImageError;
}

/** The records of a store. */
export interface ImageRecordList {
  /** Those that can be read, oldest first. */
  readonly records: readonly ImageRecord[];
  readonly unreadable: readonly UnreadableRecord[];
  /**
   * Those that this release must not change, whether it can read them or not, with the reason. Like unreadable ones,
   * they may refer to any content.
   */
  readonly newer: ReadonlyMap<string, string>;
}

/** A record as it is on disk. */
interface Found {
  readonly fingerprint: string;
  readonly image?: ImageRecord | undefined;
  readonly error?: ImageError | undefined;
  readonly newer?: string | undefined;
}

/** The records of images: one file for each fingerprint. An image is in the store exactly when its record is. */
export class ImageRecords {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws {ImageError} that names the file, for a record that cannot be read. */
  async read(fingerprint: string): Promise<ImageRecord | undefined> {
    const found = this.#read(fingerprint);
    if (found?.error !== undefined) throw found.error;
    return found?.image;
  }

  async list(): Promise<ImageRecordList> {
    const names = (await listed(this.#folder)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const records: ImageRecord[] = [];
    const unreadable: UnreadableRecord[] = [];
    const newer = new Map<string, string>();
    for (const name of names) {
      const { fingerprint, image, error, newer: reason } = this.#read(`sha256:${name.slice(0, 64)}`) ?? {};
      if (fingerprint === undefined) continue;
      if (error !== undefined) unreadable.push({ fingerprint, error });
      if (image !== undefined) records.push(image);
      if (reason !== undefined) newer.set(fingerprint, reason);
    }
    return { records: records.sort((a, b) => a.createdAt - b.createdAt), unreadable, newer };
  }

  /** @throws {HostError} when the image has a record of a later release. */
  async write(image: ImageRecord): Promise<void> {
    this.#assertNotNewer("import", image.fingerprint);
    makeFolders(this.#folder);
    const text = `${JSON.stringify({ version: VERSION, minReader: VERSION, image }, undefined, 2)}\n`;
    await replaceFile(this.#path(image.fingerprint), text);
  }

  /** Removes a record, also one that cannot be read, whatever it is. @throws {HostError} if a later release wrote it. */
  async remove(fingerprint: string): Promise<void> {
    this.#assertNotNewer("delete", fingerprint);
    await rm(this.#path(fingerprint), { recursive: true });
  }

  #assertNotNewer(verb: string, fingerprint: string): void {
    const reason = this.#read(fingerprint)?.newer;
    if (reason !== undefined) throw refuseNewer(`${verb} image ${short(fingerprint)}`, reason);
  }

  #read(fingerprint: string): Found | undefined {
    const path = this.#path(fingerprint);
    let cause: unknown;
    const content = readSmallJson(path, z.unknown(), (damage) => {
      cause = damage;
      return null;
    });
    if (content === undefined) return undefined;
    const version = tooNew(content, VERSION);
    const newer = version === undefined ? undefined : newerThanThis(`its record ${path}`, version);
    const { data, error } = RecordSchema.safeParse(content);
    if (data !== undefined) return { fingerprint, image: data.image, newer };
    cause ??= error;
    const why =
      newer ??
      `its record ${path} cannot be read: it is left as it is; delete the image by its fingerprint and import it again, or restore the file`;
    return { fingerprint, newer, error: new ImageError(short(fingerprint), why, { cause }) };
  }

  #path(fingerprint: string): string {
    return join(this.#folder, `${hexOf(fingerprint)}.json`);
  }
}

/** How a fingerprint is told in messages. */
function short(fingerprint: string): string {
  return hexOf(fingerprint).slice(0, 12);
}

/** The record of a finished draft. */
export function imageRecord(draft: Draft, description: ImageDescription, source: string): ImageRecord {
  const layers = draft.layers.map(({ stored }) => stored);
  const devices = layers.reduce((sum, layer) => sum + layer.devices, 0);
  return ImageSchema.omit({ aliases: true }).parse({
    ...description,
    properties: { ...description.properties, ...(devices > 0 ? { devicesLeftOut: String(devices) } : {}) },
    layers: layers.map(asLayer),
    size: draft.disk?.size ?? layers.reduce((sum, layer) => sum + layer.size, 0),
    createdAt: Date.now(),
    source,
  });
}

/** The names in a folder; none if the folder does not exist. */
export async function listed(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
