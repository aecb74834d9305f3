import type { Extent } from "./entry.ts";
import { BLOCK, parseSparseNumbers, TarFault, type TarHeader } from "./header.ts";

/**
 * The map of a file with holes: the parts that an archive has. It knows all forms of GNU tar's manual, "Storing Sparse
 * Files": GNU's own (type `S`), and pax 0.0, 0.1 and 1.0. Pure.
 */
export class SparseMap {
  /** Bytes of the file, including its holes. */
  readonly size: number;
  /** Offsets and lengths alternately. */
  readonly #numbers: number[];
  /** The form in which the map goes on in the blocks after the header. */
  #form: "gnu" | "pax" | undefined;
  /** For pax 1.0: the promised pairs, and the beginning of a number that continues in the next block. */
  #pairs: number | undefined;
  #text = "";

  private constructor(size: number, numbers: readonly number[], form: "gnu" | "pax" | undefined) {
    this.size = size;
    this.#numbers = [...numbers];
    this.#form = form;
  }

  /** The map of an entry; `undefined` if it has no holes. */
  static of(header: TarHeader, pax: ReadonlyMap<string, string>): SparseMap | undefined {
    if (header.sparse !== undefined)
      return new SparseMap(header.sparse.size, header.sparse.numbers, header.sparse.more ? "gnu" : undefined);
    if (![...pax.keys()].some((key) => key.startsWith("GNU.sparse."))) return undefined;
    if (pax.get("GNU.sparse.major") === "1" && pax.get("GNU.sparse.minor") === "0")
      return new SparseMap(count(pax.get("GNU.sparse.realsize")), [], "pax");
    const map = pax.get("GNU.sparse.map") ?? (pax.get("GNU.sparse.numblocks") === "0" ? "" : undefined);
    if (pax.has("GNU.sparse.major") || map === undefined)
      throw new TarFault("is stored sparse in a form that is not known");
    return new SparseMap(count(pax.get("GNU.sparse.size")), map === "" ? [] : map.split(",").map(count), undefined);
  }

  /** Whether the map is complete. */
  get complete(): boolean {
    return this.#form === undefined;
  }

  /** Whether the blocks of the map are counted in the entry's size. */
  get inBody(): boolean {
    return this.#form === "pax" || this.#pairs !== undefined;
  }

  /** Takes the next block after the header. */
  block(block: Buffer): void {
    if (this.#form === "gnu") {
      const { numbers, more } = parseSparseNumbers(block, 0, 21, 504);
      this.#numbers.push(...numbers);
      if (!more) this.#form = undefined;
      return;
    }
    this.#text += block.toString("latin1");
    for (let end = this.#text.indexOf("\n"); end >= 0 && this.#form !== undefined; end = this.#text.indexOf("\n")) {
      const value = count(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 1);
      if (this.#pairs === undefined) this.#pairs = value;
      else this.#numbers.push(value);
      if (this.#numbers.length === this.#pairs * 2) this.#form = undefined;
    }
    if (this.#text.length > BLOCK) throw new TarFault("has a malformed sparse map");
  }

  /** The parts, which are `stored` bytes together. */
  extents(stored: number): readonly Extent[] {
    const extents: Extent[] = [];
    let total = 0;
    let end = 0;
    for (let at = 0; at < this.#numbers.length; at += 2) {
      const offset = this.#numbers[at] as number;
      const length = this.#numbers[at + 1];
      if (length === undefined || offset < end || offset + length > this.size)
        throw new TarFault("has a sparse map that contradicts itself");
      // GNU tar reads each part from a new block, other readers from where the last part ended. They agree on what
      // follows the file only if all parts but the last are whole blocks, and all writers do that.
      if (total % BLOCK !== 0 && length > 0)
        throw new TarFault("has a sparse map with a part that is not a whole block, which readers treat differently");
      end = offset + length;
      total += length;
      // An empty part at the end only states the size of the file.
      if (length > 0) extents.push({ offset, length });
    }
    if (total !== stored) throw new TarFault("has a sparse map that contradicts its size");
    return extents;
  }
}

/** The map of pax 1.0, in whole blocks. All extents but the last are whole blocks, too. */
export function renderSparseMap(extents: readonly Extent[]): Buffer {
  const text = `${extents.length}\n${extents.map(({ offset, length }) => `${offset}\n${length}\n`).join("")}`;
  return Buffer.concat([Buffer.from(text)], Math.ceil(text.length / BLOCK) * BLOCK);
}

function count(text = ""): number {
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new TarFault("has a malformed sparse map");
  return value;
}
