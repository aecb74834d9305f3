import type { ImageTree } from "../contract/image-tree.ts";
import type { Images } from "../contract/images.ts";
import type { Abortable } from "../flow/abortable.ts";
import type { Image } from "../model/image.ts";

/** The names of the instances that use an image. Read from the records, so that a crash leaves no stale use. */
export type ImageUsers = (fingerprint: string) => Promise<readonly string[]>;

/**
 * The images of a host, as the engine needs them: the public interface, and their content as files.
 *
 * The engine writes the record that names an image *before* it asks for the image's tree. Therefore a store that
 * deletes under the lock that `tree()` shares, and calls {@link ImageUsers} under it, can never take an image from an
 * instance.
 */
export interface ImageStore extends Images, AsyncDisposable {
  /** The content of an image. @throws {NotFoundError} when it is no longer in the store. */
  tree(image: Image, options?: Abortable): Promise<ImageTree>;
  /** The files that cannot be read, for `doctor()`. Reads only. */
  issues(): Promise<readonly ImageIssue[]>;
}

/** A file of the image store that cannot be read; `reason` names it. Calls that need it fail with the same reason. */
export interface ImageIssue {
  readonly image: string;
  readonly reason: string;
}
