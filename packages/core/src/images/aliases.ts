import { z } from "zod";
import { ImageError } from "../errors/all.ts";
import { DigestSchema, type Image } from "../model/image.ts";
import { replaceFile, replaceFileOnFullDisk, reserveReplacement } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { ImageRecord } from "./records.ts";

const AliasesSchema = z.record(z.string(), z.unknown());
type Aliases = Readonly<Record<string, string>>;

/** Names of images: one file, replaced as a whole. Change it only under the store's lock. Names are removed on a full disk, too. */
export class ImageAliases {
  readonly #path: string;
  constructor(path: string) {
    this.#path = path;
  }

  /** @throws {ImageError} when the file cannot be read, naming it. */
  async read(): Promise<Aliases> {
    return namesOfImages(this.#read());
  }

  #read(): Readonly<Record<string, unknown>> {
    const aliases = readSmallJson(this.#path, AliasesSchema, (cause) => {
      const why = `cannot be read: see ${this.#path}; without that file images are known by their fingerprints`;
      throw new ImageError("aliases", why, { cause });
    });
    return aliases ?? {};
  }

  /** The same, but empty if the file cannot be read: an image is known without its names. */
  async readable(): Promise<{ readonly aliases: Aliases; readonly error?: ImageError }> {
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
    const before = this.#read();
    if (names.every((name) => before[name] === fingerprint)) return;
    const content = render({ ...before, ...Object.fromEntries(names.map((name) => [name, fingerprint])) });
    await replaceFile(this.#path, content);
    await reserveReplacement(this.#path, content);
  }

  /** Removes the names of a deleted image. A file that cannot be read stays as it is: such names lead nowhere. */
  async removeAll(fingerprint: string): Promise<void> {
    const { error } = await this.readable();
    if (error !== undefined) return;
    const entries = Object.entries(this.#read());
    const left = entries.filter(([, target]) => target !== fingerprint);
    if (left.length < entries.length) await replaceFileOnFullDisk(this.#path, render(Object.fromEntries(left)));
  }
}

function render(aliases: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(aliases, undefined, 2)}\n`;
}

/** A later release may have put something else under a name: it stays in the file, and is no name of an image here. */
function namesOfImages(content: Readonly<Record<string, unknown>>): Aliases {
  const names = Object.entries(content).flatMap(([name, target]) => {
    const digest = DigestSchema.safeParse(target);
    return digest.success ? [[name, digest.data] as const] : [];
  });
  return Object.fromEntries(names);
}

/** An image as callers see it. */
export function withAliases(record: ImageRecord, aliases: Aliases): Image {
  const names = Object.entries(aliases).filter(([, fingerprint]) => fingerprint === record.fingerprint);
  return { ...record, aliases: names.map(([alias]) => alias) };
}
