import type { Abortable } from "../flow/abortable.ts";

/**
 * An image's content as files of this host, read-only and shared by everything that uses the image. The engine holds a
 * reference on it for as long as the instance exists.
 */
export type ImageTree =
  | {
      readonly kind: "layers";
      /**
       * Absolute folders, bottom first, in overlayfs' own form: whiteouts are 0/0 devices, opaque folders have the
       * xattr `trusted.overlay.opaque`. Owners are the image's.
       */
      readonly layers: readonly string[];
      /**
       * One folder with all layers merged: the layer itself if there is only one. Otherwise it is made on the first
       * call and kept in the store, without a mount.
       */
      merged(options?: Abortable): Promise<string>;
    }
  | { readonly kind: "disk"; readonly path: string; readonly format: "qcow2" | "raw" };
