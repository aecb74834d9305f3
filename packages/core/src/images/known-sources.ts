import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DigestSchema } from "../model/image.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import { hashOf } from "./fingerprint.ts";
import { hexOf } from "./layer-store.ts";

const KnownSchema = z.strictObject({ fingerprint: DigestSchema, digest: DigestSchema.optional() });
export type KnownSource = z.output<typeof KnownSchema>;

/** Which image a source gave when it was last read: lets an import of the same thing return at once. */
export class KnownSources {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * `undefined` where another digest is demanded than was checked then, and for what cannot be read: the import is then
   * done once more, and remembered anew.
   */
  async find(identity: unknown, digest: string | undefined): Promise<KnownSource | undefined> {
    const known = readKnown(this.#path(identity));
    return known === undefined || (digest !== undefined && digest !== known.digest) ? undefined : known;
  }

  async remember(identity: unknown, known: KnownSource): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await replaceFile(this.#path(identity), `${JSON.stringify(known)}\n`);
  }

  #path(identity: unknown): string {
    return join(this.#folder, `${hexOf(hashOf(identity))}.json`);
  }
}

/** What a file says; `undefined` where it cannot be read. */
export function readKnown(path: string): KnownSource | undefined {
  // What makes it unreadable is of no matter: it only saves time.
  return readSmallJson(path, KnownSchema, () => undefined);
}
