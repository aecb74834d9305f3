import { mkdir, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ImageError } from "../contract/errors.ts";
import type { ImageDescription } from "../driver/image-source.ts";
import { type Image, ImageSchema } from "../model/image.ts";
import { replaceFile } from "../system/replace-file.ts";
import { parseJson } from "../text/bounded-json.ts";
import type { Draft } from "./draft.ts";
import { asLayer, hexOf } from "./layer-store.ts";

const VERSION = 1;
// Aliases are kept apart: one moves from image to image in one write.
const RecordSchema = z.strictObject({ version: z.literal(VERSION), image: ImageSchema.omit({ aliases: true }) });

export type ImageRecord = Omit<Image, "aliases">;

/** Which images there are: a file each, by fingerprint. An image is in the store exactly when its record is. */
export class ImageRecords {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(fingerprint: string): Promise<ImageRecord | undefined> {
    return this.#read(`${hexOf(fingerprint)}.json`);
  }

  /** @throws {ImageError} for a record that cannot be read, naming the file. */
  async list(): Promise<ImageRecord[]> {
    const names = (await listed(this.#folder)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
    const records = await Promise.all(names.map((name) => this.#read(name)));
    return records.filter((record) => record !== undefined).sort((a, b) => a.createdAt - b.createdAt);
  }

  async write(image: ImageRecord): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const text = `${JSON.stringify({ version: VERSION, image }, undefined, 2)}\n`;
    await replaceFile(join(this.#folder, `${hexOf(image.fingerprint)}.json`), text);
  }

  async remove(fingerprint: string): Promise<void> {
    await unlink(join(this.#folder, `${hexOf(fingerprint)}.json`));
  }

  async #read(name: string): Promise<ImageRecord | undefined> {
    const path = join(this.#folder, name);
    try {
      return RecordSchema.parse(parseJson(await readFile(path, "utf8"))).image;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new ImageError(name.slice(0, 12), `its record cannot be read: see ${path}`, { cause: error });
    }
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

/** The names in a folder; none where there is no folder. */
export async function listed(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
