/** What one layer may hold at most. An archive that goes beyond is a bomb, and refused with an ImageError. */
export interface LayerLimits {
  /** Bytes of the uncompressed tar. */
  readonly bytes: number;
  /** Entries of the tar. */
  readonly entries: number;
}

export const DEFAULT_LAYER_LIMITS: LayerLimits = { bytes: 64 * 2 ** 30, entries: 4_000_000 };
