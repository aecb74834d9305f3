import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ImageError } from "../contract/errors.ts";
import type { ImageDescription } from "../driver/image-source.ts";
import { type Image, ImageSchema } from "../model/image.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { Draft } from "./draft.ts";
import { asLayer, hexOf } from "./layer-store.ts";

const VERSION = 1;
// Aliases are kept apart: one moves from image to image in one write.
const RecordSchema = z.strictObject({ version: z.literal(VERSION), image: ImageSchema.omit({ aliases: true }) });

export type ImageRecord = Omit<Image, "aliases">;

/** A record that exists and cannot be read. It may refer to any content of the store. */
export interface UnreadableRecord {
  readonly fingerprint: string;
  /** Names the file and the fix. */
  readonly error: ImageError;
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
    if (found !== undefined && "error" in found) throw found.error;
    return found;
  }

  /** All records that can be read, oldest first, and those that cannot. */
  async list(): Promise<{ readonly records: ImageRecord[]; readonly unreadable: UnreadableRecord[] }> {
    const names = (await listed(this.#folder)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const found = names.map((name) => this.#read(`sha256:${name.slice(0, 64)}`));
    const records: ImageRecord[] = [];
    const unreadable: UnreadableRecord[] = [];
    for (const one of found) {
      if (one !== undefined && "error" in one) unreadable.push(one);
      else if (one !== undefined) records.push(one);
    }
    return { records: records.sort((a, b) => a.createdAt - b.createdAt), unreadable };
  }

  async write(image: ImageRecord): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const text = `${JSON.stringify({ version: VERSION, image }, undefined, 2)}\n`;
    await replaceFile(join(this.#folder, `${hexOf(image.fingerprint)}.json`), text);
  }

  /** Removes a record, also one that cannot be read, whatever it is. */
  async remove(fingerprint: string): Promise<void> {
    await rm(this.#path(fingerprint), { recursive: true });
  }

  #read(fingerprint: string): ImageRecord | UnreadableRecord | undefined {
    const path = this.#path(fingerprint);
    const found = readSmallJson(path, RecordSchema, (cause): UnreadableRecord => {
      const why = `its record ${path} cannot be read: it is left as it is; delete the image by its fingerprint and import it again, or restore the file`;
      return { fingerprint, error: new ImageError(hexOf(fingerprint).slice(0, 12), why, { cause }) };
    });
    return found !== undefined && "image" in found ? found.image : found;
  }

  #path(fingerprint: string): string {
    return join(this.#folder, `${hexOf(fingerprint)}.json`);
  }
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
