import { ImageError } from "../../errors/all.ts";

/** Most bytes of a disk: a guest can fill all of it on this host, whatever the size of the file was. */
export const MAX_DISK = 256 * 2 ** 30;

/** @throws {ImageError} */
export function assertDiskSize(image: string, bytes: number): void {
  if (bytes > MAX_DISK)
    throw new ImageError(
      image,
      `it is a disk of ${bytes} bytes, and goes beyond ${MAX_DISK} bytes, the limit for a disk`,
    );
}
