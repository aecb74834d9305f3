import { Buffer } from "node:buffer";

/**
 * Records begin, end and refuse a session on a stream that has no connection boundaries. A record is {@link MARKER},
 * one kind byte, the payload's length as two bytes (big-endian), and the payload, JSON or nothing.
 *
 * A marker resets the receiver wherever it appears: everything before it belonged to a dead peer.
 */

/**
 * Sixteen bytes that begin every record and occur nowhere else. Each is between F5 and FF. UTF-8 text has no such
 * bytes, so no JSON payload has them. A frame header begins and ends with 00, so the marker never lies across one. A
 * writer splits data that contains the marker into two frames.
 */
export const MARKER = Buffer.from("f9fef5fbfff6fdf8faf7fcf9fff5fef6", "hex");

/** The versions of the protocol that this code supports, best first. */
export const PROTOCOLS: readonly number[] = [1];

/** The most bytes in a record's payload. */
export const MAX_RECORD = 4096;

/** The byte of each kind on the wire, an ASCII letter. */
export const RECORD = {
  /** Host: begins a session and ends any before it. `{ token, protocols }` */
  hello: 0x48,
  /** Agent: the answer. `{ token, protocol, agent, methods, bootId }`; frames follow in both directions. */
  welcome: 0x57,
  /** Agent: it has just started, or the host was gone, so there is no session. The host sends a hello (again). */
  here: 0x47,
  /** Host: ends the session. */
  bye: 0x4c,
  /** Agent: no session for this hello. `{ token, reason }` */
  refuse: 0x52,
} as const;

export type RecordKind = keyof typeof RECORD;

const KINDS = new Map<number, RecordKind>(Object.entries(RECORD).map(([kind, byte]) => [byte, kind as RecordKind]));

/** The kind of a record by its byte, if there is one. */
export function recordKind(byte: number): RecordKind | undefined {
  return KINDS.get(byte);
}

/** Encodes a record. */
export function encodeRecord(kind: RecordKind, payload?: object): Buffer {
  const json = payload === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(payload));
  if (json.length > MAX_RECORD)
    throw new RangeError(`a record has ${json.length} bytes, but the limit is ${MAX_RECORD}`);
  const head = Buffer.from([RECORD[kind], json.length >> 8, json.length & 0xff]);
  return Buffer.concat([MARKER, head, json]);
}
