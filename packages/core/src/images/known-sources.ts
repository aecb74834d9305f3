import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DigestSchema } from "../model/image.ts";
import { replaceFile } from "../system/replace-file.ts";
import { parseJson } from "../text/bounded-json.ts";
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

  /** `undefined` for what cannot be read, too: the import is then done once more, and remembered anew. */
  async find(identity: unknown): Promise<KnownSource | undefined> {
    try {
      return KnownSchema.parse(parseJson(await readFile(this.#path(identity), "utf8")));
    } catch {
      return undefined;
    }
  }

  async remember(identity: unknown, known: KnownSource): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await replaceFile(this.#path(identity), `${JSON.stringify(known)}\n`);
  }

  #path(identity: unknown): string {
    return join(this.#folder, `${hexOf(hashOf(identity))}.json`);
  }
}
