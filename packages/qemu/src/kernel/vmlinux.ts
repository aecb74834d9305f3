import { gunzipSync } from "node:zlib";
import { unpackLz4Legacy } from "./lz4.ts";

const ELF = Buffer.from("\x7fELF", "latin1");
const GZIP = Buffer.from([0x1f, 0x8b]);
const LZ4_LEGACY = Buffer.from([0x02, 0x21, 0x4c, 0x18]);

/**
 * Unpacks the ELF image inside of a bzImage (Documentation/arch/x86/boot.rst), so that no emulated processor has to.
 * QEMU enters it by its PVH note, which saves 0.35 s of each start. `undefined` if the image is not a bzImage, or is
 * packed by something else than gzip or LZ4: then the bzImage itself is booted.
 */
export function extractVmlinux(image: Buffer): Buffer | undefined {
  if (image.length < 0x1000 || image.toString("latin1", 0x202, 0x206) !== "HdrS") return undefined;
  const setupSectors = image.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c));
  const unpacked = unpack(payload);
  return unpacked?.subarray(0, 4).equals(ELF) ? unpacked : undefined;
}

// The build appends the unpacked size to what the packer wrote (scripts/Makefile.lib, size_append); gzip ends with it
// anyway.
function unpack(payload: Buffer): Buffer | undefined {
  if (payload.length < 16) return undefined;
  const size = payload.readUInt32LE(payload.length - 4);
  if (payload.subarray(0, 2).equals(GZIP)) return gunzipSync(payload);
  if (payload.subarray(0, 4).equals(LZ4_LEGACY)) return unpackLz4Legacy(payload, size);
  return undefined;
}
