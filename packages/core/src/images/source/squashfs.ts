import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { ImageDraft } from "../../contract/image-source.ts";
import { CommandError, ImageError } from "../../errors/all.ts";
import { linkSignals } from "../../flow/deadline.ts";
import { isDiskFull } from "../../system/disk-full.ts";
import { spawn } from "../../system/spawn.ts";
import { startTool, type Tool } from "../../system/stream-tool.ts";
import { digestOf } from "../digest.ts";
import { beyondLimit, type LayerLimits } from "../layer/limits.ts";
import type { LocalSource } from "./detect.ts";
import { addFolder } from "./folder.ts";
import type { ImageOrigin } from "./origin.ts";
import { describeRootfs } from "./rootfs.ts";
import { assertUnchanged, fileIdentity } from "./tar.ts";

/**
 * A root file system in a squashfs. unsquashfs(1) unpacks it into scratch space, and the result is imported like a
 * folder: with the same rules and the same diff ID. The file is copied first: a confined tool cannot reach the original
 * on another file system, and no other program can change the copy after it was checked.
 */
export function squashfsOrigin(name: string, source: LocalSource, limits: LayerLimits): ImageOrigin {
  return {
    name,
    lock: source.path,
    identity: fileIdentity(source),
    async load(draft, options) {
      const { signal, onProgress, digest } = options;
      const total = source.stats.size;
      const { folder, descriptors } = draft;
      const file = join(folder, FILE);
      const copy = ["cp", "--reflink=auto", "--", source.path, file];
      await spawn(copy, { fromPackage: "coreutils", diesWithUs: true, descriptors, signal });
      if (digest !== undefined) {
        const actual = await digestOf(createReadStream(file), { signal, onProgress, total });
        if (actual !== digest) throw new ImageError(name, `its digest is ${actual}, not ${digest}`);
      }
      try {
        await assertWithin(name, draft, limits, signal);
        onProgress?.({ phase: "unsquash", done: 0, total });
        await unsquash(["-no-progress", "-quiet", "-dest", "tree", FILE], draft, signal, (tool) => {
          tool.stdout.resume();
        });
        onProgress?.({ phase: "unsquash", done: total, total });
        await assertUnchanged(name, source);
        await rm(file);
        await addFolder(name, draft, join(folder, "tree"), { ...options, digest: undefined });
      } catch (error) {
        if (!(error instanceof CommandError) || isDiskFull(error)) throw error;
        throw new ImageError(name, `it cannot be unpacked as a squashfs: ${error.message}`, { cause: error });
      }
      return describeRootfs(name, draft, options.architecture);
    },
  };
}

/** The name of the copy. */
const FILE = "squashfs";

/** Runs unsquashfs(1) to its end in the draft's folder. `read` gets what it prints, and a failure of `read` ends it. */
async function unsquash(
  args: readonly string[],
  { folder, descriptors }: ImageDraft,
  signal: AbortSignal | undefined,
  read: (tool: Tool) => Promise<void> | void,
): Promise<void> {
  using running = linkSignals(signal);
  const tool = startTool(["unsquashfs", ...args], {
    fromPackage: "squashfs-tools",
    confinedTo: folder,
    descriptors,
    signal: running.signal,
  });
  tool.stdin.end();
  try {
    await read(tool);
    await tool.succeeded();
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    running.abort();
    await tool.gone();
  }
}

/** Refuses an archive bomb before it is unpacked, as soon as its listing exceeds a limit. */
async function assertWithin(
  name: string,
  draft: ImageDraft,
  limits: LayerLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  let bytes = 0;
  let entries = 0;
  await unsquash(["-lln", FILE], draft, signal, async ({ stdout }) => {
    for await (const line of linesOf(stdout)) {
      // A line of a file's name can only add to the sum.
      const match = /^[a-zA-Z-]{10} +[0-9]+\/[0-9]+ +([0-9]+) /.exec(line);
      if (match === null) continue;
      if (++entries > limits.entries) throw beyondLimit(name, `${limits.entries} entries`);
      if (line.startsWith("-")) bytes += Number(match[1]);
      if (bytes > limits.bytes) throw beyondLimit(name, `${limits.bytes} bytes`);
    }
  });
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
