import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { CommandError, ImageError } from "../../contract/errors.ts";
import { linkSignals } from "../../driver/deadline.ts";
import { isDiskFull } from "../../system/disk-full.ts";
import { spawn } from "../../system/spawn.ts";
import { digestOf } from "../digest.ts";
import { beyondLimit, type LayerLimits } from "../layer/limits.ts";
import { startTool } from "../tool.ts";
import type { LocalSource } from "./detect.ts";
import { addFolder } from "./folder.ts";
import type { ImageOrigin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";
import { assertUnchanged, fileIdentity } from "./tar.ts";

/**
 * A root file system in a squashfs. unsquashfs(1) unpacks it into scratch space, and the result is imported like a
 * folder: with the same rules and the same diff ID.
 */
export function squashfsOrigin(name: string, source: LocalSource, limits: LayerLimits): ImageOrigin {
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
      try {
        await assertWithin(name, source.path, limits, signal);
        onProgress?.({ phase: "unsquash", done: 0, total: source.stats.size });
        const folder = join(draft.folder, "tree");
        const unsquash = ["unsquashfs", "-no-progress", "-quiet", "-dest", folder, source.path];
        await spawn(unsquash, { fromPackage: "squashfs-tools", diesWithUs: true, signal });
        onProgress?.({ phase: "unsquash", done: source.stats.size, total: source.stats.size });
        await assertUnchanged(name, source);
        await addFolder(name, draft, folder, { ...options, digest: undefined });
      } catch (error) {
        if (!(error instanceof CommandError) || isDiskFull(error)) throw error;
        throw new ImageError(name, `it cannot be unpacked as a squashfs: ${error.message}`, { cause: error });
      }
      return describeRootfs(name, draft, options.architecture);
    },
  };
}

/** Refuses an archive bomb before it is unpacked, as soon as its listing exceeds a limit. */
async function assertWithin(
  name: string,
  path: string,
  limits: LayerLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  using listed = linkSignals(signal);
  const tool = startTool(["unsquashfs", "-lln", path], { fromPackage: "squashfs-tools", signal: listed.signal });
  tool.stdin.end();
  try {
    let bytes = 0;
    let entries = 0;
    for await (const line of linesOf(tool.stdout)) {
      // A line of a file's name can only add to the sum.
      const match = /^[a-zA-Z-]{10} +[0-9]+\/[0-9]+ +([0-9]+) /.exec(line);
      if (match === null) continue;
      if (++entries > limits.entries) throw beyondLimit(name, `${limits.entries} entries`);
      if (line.startsWith("-")) bytes += Number(match[1]);
      if (bytes > limits.bytes) throw beyondLimit(name, `${limits.bytes} bytes`);
    }
    await tool.succeeded();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    listed.abort();
    await tool.gone();
  }
}

/** The beginning of each line: a path may be of any length. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = (lines.pop() ?? "").slice(0, 200);
    yield* lines;
  }
}
