import { Buffer } from "node:buffer";

/**
 * Frames, the units of a session: a header of twelve bytes, then the payload:
 *
 *     00 | type u8 | channel u8 | call u32 | length u32 | 00      (big-endian)
 *
 * The header begins and ends with 00 so that a marker can never lie across it: see `record.ts`.
 */
export const HEADER_SIZE = 12;

export const FRAME = {
  /** Host: begins a call. JSON: the method and its arguments. */
  call: 1,
  /** Either: a message about a running call. JSON. */
  message: 2,
  /** Either: bytes of one channel of a call. Costs credit. */
  data: 3,
  /** Either: the channel has no more bytes. */
  end: 4,
  /** Either: the receiver of this channel wants no more bytes. */
  stop: 5,
  /** Either: gives the sender of this channel more credit. Four bytes, big-endian. */
  window: 6,
  /** Host: cancels the call, and the agent kills what runs for it. The agent still closes the call. */
  cancel: 7,
  /** Agent: the call is over, with its outcome. JSON. No frame with its number follows. */
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
/** The bytes that a channel may send before its receiver grants more. */
export const INITIAL_CREDIT = 256 * 1024;
/** The most credit that a channel can hold. */
export const MAX_CREDIT = 16 * 1024 * 1024;
/** The least cost of a DATA frame: a flood of tiny frames uses up the window before it fills the receiver's memory. */
export const MIN_COST = 256;
/** The most concurrent calls of one session. */
export const MAX_CALLS = 1024;
/** Channels of a call: a program's three streams, or 0 into and 1 out of the guest. */
export const MAX_CHANNEL = 2;

export interface FrameHeader {
  readonly type: FrameType;
  readonly channel: number;
  readonly call: number;
  readonly length: number;
}

/** How much of its channel's credit a DATA frame with `length` bytes costs. */
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

/** Encodes the header of a frame. The payload follows it on the wire unchanged. */
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

/** Encodes a whole frame. */
export function encodeFrame(type: FrameType, call: number, channel: number, payload?: Buffer): Buffer {
  const header = encodeHeader(type, call, channel, payload?.length ?? 0);
  return payload === undefined ? header : Buffer.concat([header, payload]);
}

/** Parses a header, or returns what is wrong with it. */
export function parseHeader(bytes: Buffer): FrameHeader | string {
  const type = bytes[1] as FrameType;
  const limit = LIMITS[type] as number | undefined;
  if (bytes[0] !== 0 || bytes[11] !== 0) return "a frame header that does not begin and end with 00";
  if (limit === undefined) return `an unknown frame type ${type}`;
  const channel = bytes[2] ?? 0;
  if (channel > MAX_CHANNEL) return `channel ${channel}, but the last one is ${MAX_CHANNEL}`;
  const length = bytes.readUInt32BE(7);
  if (length > limit) return `${length} bytes in a frame of type ${type}, but the limit is ${limit}`;
  if (type === FRAME.window && length !== 4) return `a WINDOW of ${length} bytes, not 4`;
  return { type, channel, call: bytes.readUInt32BE(3), length };
}
