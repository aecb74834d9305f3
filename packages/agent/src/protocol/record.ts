import { Buffer } from "node:buffer";

/**
 * Records: what begins, ends and refuses a session on a stream that has no connection boundaries. A record is
 * {@link MARKER}, one kind byte, the payload's length as two bytes (big-endian), and the payload, JSON or nothing.
 *
 * A marker resets the receiver wherever it appears: whatever was under way before it belonged to a dead peer.
 */

/**
 * Sixteen bytes that begin every record and occur nowhere else. Each is between F5 and FF: such bytes are in no UTF-8
 * text, so in no JSON payload; not at the edges of a frame header, which are 00, so never across one; and a writer
 * splits the data that holds them into two frames.
 */
export const MARKER = Buffer.from("f9fef5fbfff6fdf8faf7fcf9fff5fef6", "hex");

/** The versions of the protocol that this code speaks, best first. */
export const PROTOCOLS: readonly number[] = [1];

/** The most bytes in a record's payload. */
export const MAX_RECORD = 4096;

/** One letter each, as it stands on the wire. */
export const RECORD = {
  /** Host: begins a session and ends any before it. `{ token, protocols }` */
  hello: 0x48,
  /** Agent: the answer. `{ token, protocol, agent, methods, bootId }`; frames follow in both directions. */
  welcome: 0x57,
  /** Agent: just started, or the host was gone; there is no session. The host says hello (again). */
  here: 0x47,
  /** Host: ends the session. */
  bye: 0x4c,
  /** Agent: no session for this hello. `{ token, reason }` */
  refuse: 0x52,
} as const;

export type RecordKind = keyof typeof RECORD;

const KINDS = new Map<number, RecordKind>(Object.entries(RECORD).map(([kind, byte]) => [byte, kind as RecordKind]));

/** The kind that the byte stands for, if it is one. */
export function recordKind(byte: number): RecordKind | undefined {
  return KINDS.get(byte);
}

/** The bytes of a record. */
export function encodeRecord(kind: RecordKind, payload?: object): Buffer {
  const json = payload === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(payload));
  if (json.length > MAX_RECORD) throw new RangeError(`a record of ${json.length} bytes, and ${MAX_RECORD} at most`);
  const head = Buffer.from([RECORD[kind], json.length >> 8, json.length & 0xff]);
  return Buffer.concat([MARKER, head, json]);
}
