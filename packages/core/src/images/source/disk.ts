import { createReadStream } from "node:fs";
import { chmod, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { ImageDraft } from "../../contract/image-source.ts";
import { CommandError, ImageError } from "../../errors/all.ts";
import { hostArchitecture } from "../../system/architecture.ts";
import { spawn } from "../../system/spawn.ts";
import { parseJson } from "../../text/bounded-json.ts";
import { digestOf } from "../digest.ts";
import { assertSelfContained, QCOW2_HEADER } from "../disk/qcow2.ts";
import { assertDiskSize } from "../disk/size.ts";
import { fingerprintOf } from "../fingerprint.ts";
import type { LocalSource } from "./detect.ts";
import type { ImageOrigin } from "./origin.ts";
import { fileIdentity } from "./tar.ts";

/** A whole disk, copied as it is. All checks are made on the copy, which no other program can change. */
export function diskOrigin(name: string, source: LocalSource, format: "qcow2" | "raw"): ImageOrigin {
  return {
    name,
    lock: source.path,
    identity: fileIdentity(source),
    async load(draft, options) {
      const { signal, onProgress } = options;
      const path = join(draft.folder, FILE);
      const total = source.stats.size;
      // This check saves a needless copy. The copy is measured too, because the source may grow until then.
      assertDiskSize(name, total);
      onProgress?.({ phase: "copy", done: 0, total });
      const copy = ["cp", "--reflink=auto", "--sparse=always", "--", source.path, path];
      await spawn(copy, { fromPackage: "coreutils", diesWithUs: true, descriptors: draft.descriptors, signal });
      onProgress?.({ phase: "copy", done: total, total });
      await chmod(path, 0o600);
      const { size } = await stat(path);
      assertDiskSize(name, size);
      const properties: Record<string, string> = format === "qcow2" ? await inspect(name, draft, signal) : {};
      const digest = await digestOf(createReadStream(path, { highWaterMark: 2 ** 20 }), {
        signal,
        onProgress,
        total: size,
      });
      if (options.digest !== undefined && digest !== options.digest)
        throw new ImageError(name, `its digest is ${digest}, not ${options.digest}`);
      draft.disk = { path, digest, size };
      const architecture = options.architecture ?? hostArchitecture();
      return {
        kind: "disk",
        architecture,
        fingerprint: fingerprintOf({ kind: "disk", architecture, format, digest }),
        disk: { format, digest },
        properties: { virtualSize: String(size), ...properties },
      };
    },
  };
}

/** The name of the copy. */
const FILE = "disk";

const InfoSchema = z.object({ "virtual-size": z.number().int().positive(), format: z.literal("qcow2") });

async function inspect(
  name: string,
  { folder, descriptors }: ImageDraft,
  signal: AbortSignal | undefined,
): Promise<{ virtualSize: string }> {
  const file = await open(join(folder, FILE));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(QCOW2_HEADER), 0, QCOW2_HEADER, 0);
    assertSelfContained(name, buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
  try {
    // Bounded: a hostile table of contents must not take the host's memory or time.
    const { stdout } = await spawn(["qemu-img", "info", "--output=json", "-f", "qcow2", FILE], {
      confinedTo: folder,
      readOnly: true,
      descriptors,
      bounds: { memory: 2 ** 31, cpu: 30 },
      fromPackage: "qemu-utils",
      diesWithUs: true,
      signal,
    });
    const { "virtual-size": virtualSize } = InfoSchema.parse(parseJson(stdout));
    assertDiskSize(name, virtualSize);
    return { virtualSize: String(virtualSize) };
  } catch (error) {
    const understood = [CommandError, z.ZodError, SyntaxError].some((type) => error instanceof type);
    if (!understood) throw error;
    throw new ImageError(name, `qemu-img does not take it as a qcow2: ${(error as Error).message}`, { cause: error });
  }
}
