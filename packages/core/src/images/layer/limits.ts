import { ImageError } from "../../errors/all.ts";
import { shown } from "../../tar/entry.ts";

/** The limits of one layer. An archive beyond them is taken for a bomb, and refused with an ImageError. */
export interface LayerLimits {
  /** Bytes of the uncompressed tar. */
  readonly bytes: number;
  /** Entries of the tar, and folders that it only passes through. */
  readonly entries: number;
  /** Bytes of memory for names, link targets and attributes: they are held until the archive ends. */
  readonly memory: number;
}

/** The memory is enough for that many files with paths of 168 bytes. */
export const DEFAULT_LAYER_LIMITS: LayerLimits = { bytes: 64 * 2 ** 30, entries: 1_000_000, memory: 256 * 2 ** 20 };

/** The error for every limit: `limit` names it, `entry` is the tar entry that reached it. */
export function beyondLimit(image: string, limit: string, entry?: string): ImageError {
  const subject = entry === undefined ? "it" : `the tar entry ${shown(entry)}`;
  return new ImageError(image, `${subject} goes beyond ${limit}, the limit for a layer`);
}
