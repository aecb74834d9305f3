import type { ImageDescription } from "../../contract/image-source.ts";
import type { ImportOptions } from "../../contract/images.ts";
import type { ProgressOptions } from "../../flow/abortable.ts";
import type { Draft } from "../draft.ts";

/** A source that was inspected, but not read yet. */
export interface ImageOrigin {
  /** Its name in the record and in messages. */
  readonly name: string;
  /** Equal for sources that must not be imported twice at the same time. */
  readonly lock: unknown;
  /** Equal for sources that surely give the same image, without reading them. Absent if only reading shows that. */
  readonly identity?: unknown;
  load(draft: Draft, options: ImportOptions & ProgressOptions): Promise<ImageDescription>;
}
