import { join } from "node:path";
import { z } from "zod";
import { DigestSchema } from "../model/image.ts";
import { makeFolders } from "../system/make-folders.ts";
import { replaceFile } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import { hashOf } from "./fingerprint.ts";
import { hexOf } from "./layer-store.ts";

const KnownSchema = z.looseObject({ fingerprint: DigestSchema, digest: DigestSchema.optional() });
export type KnownSource = z.output<typeof KnownSchema>;

/** The image that each source gave when it was last read, so that another import of the same can return at once. */
export class KnownSources {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * The image of a source; `undefined` if the file cannot be read, or if the caller demands another digest than was
   * checked then. The source is then imported and recorded again.
   */
  async find(identity: unknown, digest: string | undefined): Promise<KnownSource | undefined> {
    const known = readKnown(this.#path(identity));
    return known === undefined || (digest !== undefined && digest !== known.digest) ? undefined : known;
  }

  async remember(identity: unknown, known: KnownSource): Promise<void> {
    makeFolders(this.#folder);
    await replaceFile(this.#path(identity), `${JSON.stringify(known)}\n`);
  }

  #path(identity: unknown): string {
    return join(this.#folder, `${hexOf(hashOf(identity))}.json`);
  }
}

/** The content of a file; `undefined` if it cannot be read. */
export function readKnown(path: string): KnownSource | undefined {
  // The reason does not matter: the file only saves time.
  return readSmallJson(path, KnownSchema, () => undefined);
}
