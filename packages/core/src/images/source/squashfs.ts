import { createReadStream } from "node:fs";
import { join } from "node:path";
import { CommandError, ImageError } from "../../contract/errors.ts";
import { spawn } from "../../system/spawn.ts";
import { digestOf } from "../digest.ts";
import { isDiskFull } from "../disk-full.ts";
import type { LayerLimits } from "../layer/limits.ts";
import type { LocalSource } from "./detect.ts";
import { addFolder } from "./folder.ts";
import type { Origin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";
import { assertUnchanged, fileIdentity } from "./tar.ts";

/**
 * A root file system in a squashfs. unsquashfs(1) unpacks it into scratch space, and what came out goes the way of a
 * folder: the same rules, and the same diff ID as that folder's.
 */
export function squashfsOrigin(name: string, source: LocalSource, limits: LayerLimits): Origin {
  return {
    name,
    lock: source.path,
    identity: fileIdentity(source),
    async load(draft, options) {
      const { signal, onProgress, digest } = options;
      if (digest !== undefined) {
        const actual = await digestOf(createReadStream(source.path), { signal, onProgress, total: source.stats.size });
        if (actual !== digest) throw new ImageError(name, `its digest is ${actual}, not ${digest}`);
      }
      const tool = { fromPackage: "squashfs-tools", diesWithUs: true, signal };
      try {
        const listing = await spawn(["unsquashfs", "-lln", source.path], tool);
        assertWithin(name, listing.stdout, limits);
        onProgress?.({ phase: "unsquash", done: 0, total: source.stats.size });
        const folder = join(draft.folder, "tree");
        await spawn(["unsquashfs", "-no-progress", "-quiet", "-dest", folder, source.path], tool);
        onProgress?.({ phase: "unsquash", done: source.stats.size, total: source.stats.size });
        await assertUnchanged(name, source);
        await addFolder(name, draft, folder, { ...options, digest: undefined });
      } catch (error) {
        if (!(error instanceof CommandError) || isDiskFull(error)) throw error;
        throw new ImageError(name, `it is no squashfs that can be unpacked: ${error.message}`, { cause: error });
      }
      return describeRootfs(name, draft, options.architecture);
    },
  };
}

/** Refuses a bomb before it goes off. A line of a file's name can only add to the sum. */
function assertWithin(name: string, listing: string, limits: LayerLimits): void {
  let bytes = 0;
  let entries = 0;
  for (const match of listing.matchAll(/^[a-zA-Z-]{10} +[0-9]+\/[0-9]+ +([0-9]+) /gm)) {
    entries++;
    if (match[0].startsWith("-")) bytes += Number(match[1]);
  }
  if (bytes > limits.bytes || entries > limits.entries)
    throw new ImageError(name, `it unpacks to ${bytes} bytes and ${entries} entries, beyond the limit for a layer`);
}
