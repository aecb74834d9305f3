import { type Abortable, ImageError, ProtocolError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { z } from "zod";

// qapi/block-core.json, ImageInfo; the names are absent where there is no such file.
const ImageInfoSchema = z.object({
  format: z.string(),
  "backing-filename": z.string().optional(),
  "format-specific": z.object({ data: z.object({ "data-file": z.string().optional() }).optional() }).optional(),
});

/**
 * Refuses a disk image that has QEMU open other files of the host, as qcow2 can by its backing file and its data file: an image is what
 * a stranger made, and its guest would read them.
 *
 * @throws {ImageError}
 */
export async function assertSelfContained(
  disk: { readonly path: string; readonly format: "qcow2" | "raw" },
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  const { stdout } = await spawn(["qemu-img", "info", "--output=json", "-f", disk.format, disk.path], options);
  const info = ImageInfoSchema.safeParse(JSON.parse(stdout));
  if (!info.success) throw new ProtocolError("qemu-img info: an unknown answer", stdout, { cause: info.error });
  const backing = info.data["backing-filename"];
  const data = info.data["format-specific"]?.data?.["data-file"];
  if (backing !== undefined) throw new ImageError(disk.path, `it has a backing file, ${JSON.stringify(backing)}`);
  if (data !== undefined) throw new ImageError(disk.path, `it has an external data file, ${JSON.stringify(data)}`);
}
