/**
 * Unpacks LZ4's legacy frame, the one that the kernel's build uses (lz4_Frame_format.md, "Legacy frame"): a magic
 * number, then blocks of at most 8 MiB, each after its packed size. Node has no LZ4.
 *
 * @throws {RangeError} when the data would be read or written out of bounds.
 */
export function unpackLz4Legacy(packed: Buffer, size: number): Buffer {
  const out = Buffer.alloc(size);
  let from = 4;
  let to = 0;
  while (to < size) {
    const length = packed.readUInt32LE(from);
    from += 4;
    to = unpackBlock(packed.subarray(from, from + length), out, to);
    from += length;
  }
  return out;
}

// lz4_Block_format.md: sequences of a token, literals, and a copy from what was written before.
function unpackBlock(block: Buffer, out: Buffer, start: number): number {
  let from = 0;
  let to = start;
  // A length of 15 continues in bytes of 255 and a last byte below 255.
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble === 15) {
      let more: number;
      do {
        more = block.readUInt8(from++);
        total += more;
      } while (more === 255);
    }
    return total;
  };
  while (from < block.length) {
    const token = block.readUInt8(from++);
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > out.length)
      throw new RangeError("lz4: literals out of bounds");
    // Most pieces are short: a loop is faster than a call.
    if (literals < 32) for (let i = 0; i < literals; i++) out[to + i] = block[from + i] as number;
    else block.copy(out, to, from, from + literals);
    from += literals;
    to += literals;
    // The last sequence has literals only.
    if (from >= block.length) break;
    const distance = block.readUInt16LE(from);
    from += 2;
    const end = to + length(token & 15) + 4;
    if (distance === 0 || distance > to || end > out.length) throw new RangeError("lz4: match out of bounds");
    // A match may overlap what it writes, so it is copied byte by byte. A long one that does not overlap is copied at
    // once.
    if (end - to < 64 || distance < end - to) for (; to < end; to++) out[to] = out[to - distance] as number;
    else to += out.copy(out, to, to - distance, end - distance);
  }
  return to;
}
