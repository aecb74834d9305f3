/** How a tar is compressed, told by its first bytes. */
export type Compression = "none" | "gzip" | "xz" | "zstd";

/** Bytes that {@link compressionOf} needs to see. */
export const MAGIC_LENGTH = 6;

export function compressionOf(head: Buffer): Compression {
  // RFC 1952 2.3.1 with deflate; xz file format 2.1.1.1; RFC 8878 3.1.1, and its skippable frames 3.1.2.
  if (head.length >= 3 && head[0] === 0x1f && head[1] === 0x8b && head[2] === 8) return "gzip";
  if (head.subarray(0, 6).equals(Buffer.from("fd377a585a00", "hex"))) return "xz";
  if (head.length < 4) return "none";
  const word = head.readUInt32LE(0);
  return word === 0xfd2fb528 || (word & 0xfffffff0) >>> 0 === 0x184d2a50 ? "zstd" : "none";
}
