import { basename, dirname } from "node:path";
import { type Abortable, ImageError, ProtocolError } from "@pileus/core";
import { assertDiskSize, type Bounds, parseJson, type Spawn } from "@pileus/core/driver";
import { z } from "zod";
import { TOOLS } from "../tools.ts";

// qapi/block-core.json, ImageInfo. The names are absent if there is no such file.
const ImageInfoSchema = z.object({
  format: z.string(),
  "virtual-size": z.number(),
  "backing-filename": z.string().optional(),
  "format-specific": z.object({ data: z.object({ "data-file": z.string().optional() }).optional() }).optional(),
});

/** What qemu-img(1) may use to read an image: hostile metadata must not exhaust the host's memory or time. */
export const IMAGE_BOUNDS: Bounds = { memory: 2 ** 31, cpu: 30 };

/**
 * Refuses a disk image that makes QEMU open other files of the host (a qcow2 can, by its backing file and its data
 * file), or whose guest could fill the host's disk. Images come from strangers.
 *
 * @throws {ImageError}
 */
export async function assertSelfContained(
  disk: { readonly path: string; readonly format: "qcow2" | "raw" },
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  // A name that begins with a dash would be an option, and one with a colon names a protocol.
  const argv = ["qemu-img", "info", "--output=json", "-f", disk.format, `./${basename(disk.path)}`];
  const { stdout } = await spawn(argv, {
    signal: options.signal,
    confinedTo: dirname(disk.path),
    readOnly: true,
    diesWithUs: true,
    fromPackage: TOOLS["qemu-img"],
    bounds: IMAGE_BOUNDS,
  });
  const info = parseInfo(stdout);
  const backing = info["backing-filename"];
  const data = info["format-specific"]?.data?.["data-file"];
  assertDiskSize(disk.path, info["virtual-size"]);
  if (backing !== undefined) throw new ImageError(disk.path, `it has a backing file, ${JSON.stringify(backing)}`);
  if (data !== undefined) throw new ImageError(disk.path, `it has an external data file, ${JSON.stringify(data)}`);
}

function parseInfo(stdout: string): z.output<typeof ImageInfoSchema> {
  try {
    return ImageInfoSchema.parse(parseJson(stdout));
  } catch (cause) {
    throw new ProtocolError("qemu-img info: an unknown answer", stdout, { cause });
  }
}
