import { Buffer } from "node:buffer";
import { open } from "node:fs/promises";

// elf(5): offsets within the header of a 64-bit file, and the type of the program header that names the dynamic linker.
const MAGIC = 0x7f454c46;
const CLASS_64 = 2;
const PT_INTERP = 3;

/**
 * The dynamic linker that an executable names, as an absolute path; undefined for a static one.
 *
 * @throws {TypeError} for a file that is not a 64-bit little-endian ELF.
 */
export async function readInterpreter(path: string): Promise<string | undefined> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (bytesRead < 64 || head.readUInt32BE(0) !== MAGIC || head[4] !== CLASS_64 || head[5] !== 1)
      throw new TypeError(`${path} is not a 64-bit little-endian ELF file`);
    const offset = Number(head.readBigUInt64LE(0x20));
    const size = head.readUInt16LE(0x36);
    const count = head.readUInt16LE(0x38);
    for (let at = offset; at < offset + count * size && at + size <= bytesRead; at += size) {
      if (head.readUInt32LE(at) !== PT_INTERP) continue;
      const start = Number(head.readBigUInt64LE(at + 8));
      const name = Buffer.alloc(Math.min(Number(head.readBigUInt64LE(at + 0x20)), 4096));
      await file.read(name, 0, name.length, start);
      return name.toString().replace(/\0.*$/s, "");
    }
    return undefined;
  } finally {
    await file.close();
  }
}
