import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { ImageError } from "../../errors/all.ts";
import type { LocalSource } from "./detect.ts";
import type { ImageOrigin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";

/** A root file system in a tar file. */
export function tarOrigin(name: string, source: LocalSource): ImageOrigin {
  return {
    name,
    lock: source.path,
    identity: fileIdentity(source),
    async load(draft, options) {
      const open = async () => createReadStream(source.path, { highWaterMark: 256 * 1024 });
      await draft.addLayer({ open, digest: options.digest, size: source.stats.size, whiteouts: false });
      await assertUnchanged(name, source);
      return describeRootfs(name, draft, options.architecture);
    },
  };
}

/** The facts that show whether a file has changed, as in git's index: a change of content changes the times. */
export function fileIdentity({ path, stats }: LocalSource): unknown {
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  return { path, dev, ino, size, mtimeMs, ctimeMs };
}

/** @throws {ImageError} when the file was changed while it was read */
export async function assertUnchanged(name: string, source: LocalSource): Promise<void> {
  const stats = await stat(source.path);
  if (JSON.stringify(fileIdentity({ ...source, stats })) !== JSON.stringify(fileIdentity(source)))
    throw new ImageError(name, "it changed while it was read");
}
