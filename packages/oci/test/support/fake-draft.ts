import { createHash } from "node:crypto";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ImageError, type Layer } from "@pileus/core";
import type { ImageDraft } from "@pileus/core/driver";

/** A draft that checks digests as the store does, keeps the layers' tars, and already has the layers of `known`. */
export async function fakeDraft(
  parent: string,
  known: ReadonlySet<string> = new Set(),
): Promise<ImageDraft & { readonly opened: readonly string[]; readonly tars: readonly string[] }> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "draft-"));
  const opened: string[] = [];
  const tars: string[] = [];
  return {
    folder,
    descriptors: [],
    maxBytes: 2 ** 30,
    opened,
    tars,
    async addLayer(source): Promise<Layer> {
      const diffId = source.diffId ?? "";
      if (known.has(diffId)) return { diffId, chainId: diffId, size: 0 };
      opened.push(diffId);
      const chunks: Buffer[] = [];
      for await (const chunk of await source.open()) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const sha = (data: Buffer) => `sha256:${createHash("sha256").update(data).digest("hex")}`;
      if (source.digest !== undefined && sha(bytes) !== source.digest)
        throw new ImageError("fake", `layer has digest ${sha(bytes)}, not ${source.digest}`);
      const plain = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
      if (sha(plain) !== diffId) throw new ImageError("fake", `layer has diff ID ${sha(plain)}, not ${diffId}`);
      const tar = join(folder, `layer-${tars.length}.tar`);
      await writeFile(tar, plain);
      tars.push(tar);
      return { diffId, chainId: diffId, size: plain.length };
    },
  };
}
