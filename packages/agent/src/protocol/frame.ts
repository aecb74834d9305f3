import { Buffer } from "node:buffer";

/**
 * Frames: what a session is made of. Twelve bytes of header, then the payload:
 *
 *     00 | type u8 | channel u8 | call u32 | length u32 | 00      (big-endian)
 *
 * The header begins and ends with 00 so that a marker can never lie across it: see `record.ts`.
 */
export const HEADER_SIZE = 12;

export const FRAME = {
  /** Host: begins a call. JSON: the method and its arguments. */
  call: 1,
  /** Either: something about a call under way. JSON. */
  message: 2,
  /** Either: bytes of one channel of a call. Costs credit. */
  data: 3,
  /** Either: the channel has no more bytes. */
  end: 4,
  /** Either: the receiver of this channel wants no more bytes. */
  stop: 5,
  /** Either: gives the sender of this channel more credit. Four bytes, big-endian. */
  window: 6,
  /** Host: wants nothing more of the call; what runs for it is killed. The agent still closes it. */
  cancel: 7,
  /** Agent: the call is over, and how. JSON. Nothing follows for its number. */
  close: 8,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** The most bytes in one DATA frame. */
export const MAX_DATA = 64 * 1024;
/**
 * The most bytes in a CALL: the arguments and environment that Linux takes (execve(2): a quarter of the stack's limit
 * of 8 MiB), each byte written as JSON's longest escape, and room to spare.
 */
export const MAX_CALL = 16 * 1024 * 1024;
/** The most bytes in a MESSAGE or CLOSE. */
export const MAX_MESSAGE = 64 * 1024;
/** What a channel may send before its receiver grants more. */
export const INITIAL_CREDIT = 256 * 1024;
/** The most credit that a channel can hold. */
export const MAX_CREDIT = 16 * 1024 * 1024;
/** What a DATA frame costs at least: a flood of tiny frames fills the window before it fills the receiver's memory. */
export const MIN_COST = 256;
/** The most calls under way in one session. */
export const MAX_CALLS = 1024;
/** Channels of a call: a program's three streams, or 0 into and 1 out of the guest. */
export const MAX_CHANNEL = 2;

export interface FrameHeader {
  readonly type: FrameType;
  readonly channel: number;
  readonly call: number;
  readonly length: number;
}

/** What a DATA frame with `length` bytes costs of its channel's credit. */
export function dataCost(length: number): number {
  return Math.max(length, MIN_COST);
}

const LIMITS: Readonly<Record<FrameType, number>> = {
  [FRAME.call]: MAX_CALL,
  [FRAME.message]: MAX_MESSAGE,
  [FRAME.data]: MAX_DATA,
  [FRAME.end]: 0,
  [FRAME.stop]: 0,
  [FRAME.window]: 4,
  [FRAME.cancel]: 0,
  [FRAME.close]: MAX_MESSAGE,
};

/** A frame's header; the payload follows it on the wire as it is. */
export function encodeHeader(type: FrameType, call: number, channel: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_SIZE);
  header[0] = 0;
  header[1] = type;
  header[2] = channel;
  header.writeUInt32BE(call, 3);
  header.writeUInt32BE(length, 7);
  header[11] = 0;
  return header;
}

/** A whole frame. */
export function encodeFrame(type: FrameType, call: number, channel: number, payload?: Buffer): Buffer {
  const header = encodeHeader(type, call, channel, payload?.length ?? 0);
  return payload === undefined ? header : Buffer.concat([header, payload]);
}

/** Reads a header, or says what is wrong with it. */
export function parseHeader(bytes: Buffer): FrameHeader | string {
  const type = bytes[1] as FrameType;
  const limit = LIMITS[type] as number | undefined;
  if (bytes[0] !== 0 || bytes[11] !== 0) return "a frame header that does not begin and end with 00";
  if (limit === undefined) return `an unknown frame type ${type}`;
  const channel = bytes[2] ?? 0;
  if (channel > MAX_CHANNEL) return `channel ${channel}, and ${MAX_CHANNEL} at most`;
  const length = bytes.readUInt32BE(7);
  if (length > limit) return `${length} bytes in a frame of type ${type}, and ${limit} at most`;
  if (type === FRAME.window && length !== 4) return `a WINDOW of ${length} bytes, not 4`;
  return { type, channel, call: bytes.readUInt32BE(3), length };
}
