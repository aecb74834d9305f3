import type { TarEntry } from "../../tar/entry.ts";
import { beyondLimit, type LayerLimits } from "./limits.ts";

/** Most nested folders. The deepest real trees, of nested node_modules, have some dozens. */
const DEPTH = 256;
/** Most bytes of a path in a layer: PATH_MAX (linux/limits.h) less the path of the layer in the store. */
const PATH = 3072;
/** Bytes of a symlink's target: PATH_MAX less the NUL. */
const TARGET = 4095;
/** Bytes of all names of one entry's attributes, and of all values (linux/limits.h: XATTR_LIST_MAX, XATTR_SIZE_MAX). */
const XATTRS = 65_536;
/** Bytes of all symlinks that names lead through: a long symlink would make each of many names expensive. */
const FOLLOWED = 16 * 2 ** 20;
/**
 * Bytes in memory for a path, or an attribute, beside its text; and for an entry that waits for the end. Measured.
 */
const RECORD = 100;
const ENTRY = 150;

/** Counts what a layer costs, and throws the same kind of error at every limit. */
export class LayerBudget {
  readonly #image: string;
  readonly #limits: LayerLimits;
  #entries = 0;
  #bytes = 0;
  #memory = 0;
  #followed = 0;

  constructor(image: string, limits: LayerLimits) {
    this.#image = image;
    this.#limits = limits;
  }

  get entries(): number {
    return this.#entries;
  }

  /** An entry of the archive, with those of its attributes that are kept. @throws {ImageError} as every method here */
  entry(entry: TarEntry): void {
    this.folder(entry.name);
    this.#bytes += entry.size;
    if (this.#bytes > this.#limits.bytes) this.#end(`${this.#limits.bytes} bytes`, entry.name);
    if (entry.target.length > TARGET) this.#end(`${TARGET} bytes of a link's target`, entry.name);
    if (sizeOf(entry.xattrs.keys()) > XATTRS || sizeOf(entry.xattrs.values()) > XATTRS)
      this.#end(`${XATTRS} bytes of attributes`, entry.name);
  }

  /** A folder that the archive does not list, made for the entry `name`. */
  folder(name: string): void {
    if (++this.#entries > this.#limits.entries) this.#end(`${this.#limits.entries} entries`, name);
  }

  /** A path that the entry `name` leads to, with its number of components and bytes. */
  path(name: string, depth: number, bytes: number): void {
    if (depth > DEPTH) this.#end(`${DEPTH} folders in one another`, name);
    if (bytes > PATH) this.#end(`${PATH} bytes of a path`, name);
  }

  /** A symlink that the entry `name` leads through. */
  follow(name: string, target: string): void {
    this.#followed += target.length;
    if (this.#followed > FOLLOWED) this.#end(`${FOLLOWED} bytes of symlinks that names go through`, name);
  }

  /** A path that is held until the end, and with it an `entry`. */
  hold(name: string, path: string, entry?: TarEntry): void {
    this.#memory += RECORD + path.length;
    if (entry !== undefined) {
      const { target, xattrs } = entry;
      this.#memory += ENTRY + target.length + RECORD * xattrs.size + sizeOf(xattrs.keys()) + sizeOf(xattrs.values());
    }
    if (this.#memory > this.#limits.memory)
      this.#end(`${this.#limits.memory} bytes of names, link targets and attributes`, name);
  }

  #end(limit: string, name: string): never {
    throw beyondLimit(this.#image, limit, name);
  }
}

function sizeOf(texts: Iterable<string>): number {
  let sum = 0;
  for (const text of texts) sum += text.length;
  return sum;
}
