import type { ProgressOptions } from "../../contract/abortable.ts";
import type { ImportOptions } from "../../contract/images.ts";
import type { ImageDescription } from "../../driver/image-source.ts";
import type { Draft } from "../draft.ts";

/** A source, looked at but not read yet. */
export interface ImageOrigin {
  /** What the record and messages call it. */
  readonly name: string;
  /** Equal for what must not be imported twice at the same time. */
  readonly lock: unknown;
  /** Equal for what gives the same image for sure, without reading it. Absent where only reading tells. */
  readonly identity?: unknown;
  load(draft: Draft, options: ImportOptions & ProgressOptions): Promise<ImageDescription>;
}
