import { Buffer } from "node:buffer";
import { MAX_DATA } from "./frame.ts";

/** A piece of what a detached program has printed, in the bytes of channel 1 of `attach`. */
export interface OutputPiece {
  /** 1 is the standard output, 2 the standard error. */
  readonly stream: 1 | 2;
  /** So many bytes were printed before. */
  readonly offset: number;
  readonly data: Buffer;
}

/** The most bytes of one piece. */
export const MAX_PIECE = MAX_DATA;

/** One byte with the number of the stream, eight with the offset and four with the length, big-endian; then the bytes. */
const HEAD = 13;

export function encodeChunk({ stream, offset, data }: OutputPiece): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt8(stream, 0);
  head.writeBigUInt64BE(BigInt(offset), 1);
  head.writeUInt32BE(data.length, 9);
  return Buffer.concat([head, data]);
}

/**
 * Takes the bytes of a channel, in any pieces, and returns the chunks that are whole; "malformed" for what no agent
 * sends.
 */
export function outputChunks(from: number): (bytes: Buffer) => readonly OutputPiece[] | "malformed" {
  let rest: Buffer = Buffer.alloc(0);
  let at = from;
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    const chunks: OutputPiece[] = [];
    while (rest.length >= HEAD) {
      const [stream, offset, length] = [rest.readUInt8(0), Number(rest.readBigUInt64BE(1)), rest.readUInt32BE(9)];
      const isSound = (stream === 1 || stream === 2) && offset >= at && Number.isSafeInteger(offset + length);
      if (!isSound || length === 0 || length > MAX_PIECE) return "malformed";
      if (rest.length < HEAD + length) break;
      chunks.push({ stream, offset, data: rest.subarray(HEAD, HEAD + length) });
      rest = rest.subarray(HEAD + length);
      at = offset + length;
    }
    return chunks;
  };
}
