import { z } from "zod";
import { ImageError } from "../contract/errors.ts";
import { DigestSchema, type Image } from "../model/image.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { ImageRecord } from "./records.ts";

const AliasesSchema = z.record(z.string(), DigestSchema);

/** Names of images: one file, replaced as a whole. Change it only under the store's lock. */
export class ImageAliases {
  readonly #path: string;
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws {ImageError} when the file cannot be read, naming it. */
  async read(): Promise<Readonly<Record<string, string>>> {
    const aliases = readSmallJson(this.#path, AliasesSchema, (cause) => {
      const why = `cannot be read: see ${this.#path}; without that file images are known by their fingerprints`;
      throw new ImageError("aliases", why, { cause });
    });
    return aliases ?? {};
  }

  /** The same, but empty if the file cannot be read: an image is known without its names. */
  async readable(): Promise<{ readonly aliases: Readonly<Record<string, string>>; readonly error?: ImageError }> {
    try {
      return { aliases: await this.read() };
    } catch (error) {
      if (error instanceof ImageError) return { aliases: {}, error };
      throw error;
    }
  }

  /** Points each name to the image, wherever it pointed before. */
  async assign(names: readonly string[], fingerprint: string): Promise<void> {
    if (names.length === 0) return;
    const before = await this.read();
    if (names.every((name) => before[name] === fingerprint)) return;
    await this.#write({ ...before, ...Object.fromEntries(names.map((name) => [name, fingerprint])) });
  }

  /** Removes the names of a deleted image. A file that cannot be read stays as it is: such names lead nowhere. */
  async removeAll(fingerprint: string): Promise<void> {
    const entries = Object.entries((await this.readable()).aliases);
    const left = entries.filter(([, target]) => target !== fingerprint);
    if (left.length < entries.length) await this.#write(Object.fromEntries(left));
  }

  async #write(aliases: Readonly<Record<string, string>>): Promise<void> {
    await replaceFile(this.#path, `${JSON.stringify(aliases, undefined, 2)}\n`);
  }
}

/** An image as callers see it. */
export function withAliases(record: ImageRecord, aliases: Readonly<Record<string, string>>): Image {
  const names = Object.entries(aliases).filter(([, fingerprint]) => fingerprint === record.fingerprint);
  return { ...record, aliases: names.map(([alias]) => alias) };
}
