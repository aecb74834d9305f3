import { words } from "./order.ts";

/** What a keeper is doing, and with what. */
export interface KeeperState {
  /** `down`: the program has ended, and the run is about to end or to start it again. */
  readonly state: "configured" | "starting" | "running" | "down" | "ended";
  /** Its own pid. */
  readonly keeper: number;
  /** The pid of the program, 0 before there is one. */
  readonly program: number;
  /** How often the program was started. */
  readonly boots: number;
  /** Two pipes, or one terminal. */
  readonly streams: "pipes" | "terminal";
  /** The pid of the program's parent, which outlives the keeper. 0 before there is one. */
  readonly holder: number;
  /** Whether the program has ended by asking for a restart of the system inside. */
  readonly rebooting: boolean;
}

/** Who writes to the program. */
export interface KeeperWriter {
  /** Whether the asking client is the writer now. */
  readonly granted: boolean;
  /** The process of the writer. */
  readonly pid: number;
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
}

/** A frame from a keeper: docs/design/0015-keeper.md. */
export type KeeperMessage =
  | ({ readonly kind: "hello"; readonly version: number } & KeeperState)
  | { readonly kind: "ready" }
  | { readonly kind: "started"; readonly program: number; readonly boots: number; readonly holder: number }
  | { readonly kind: "failed"; readonly step: number; readonly errno: number; readonly text: string }
  | { readonly kind: "down"; readonly status: number; readonly rebooting: boolean }
  | { readonly kind: "data"; readonly stream: 0 | 1; readonly offset: bigint; readonly bytes: Buffer }
  | ({ readonly kind: "writer" } & KeeperWriter)
  | { readonly kind: "taken"; readonly pid: number }
  | { readonly kind: "synced"; readonly id: number }
  | { readonly kind: "exit"; readonly text: string }
  | { readonly kind: "reading"; readonly granted: boolean; readonly limit: number };

/** The kinds of frames to a keeper. */
export const ASK = {
  hello: 1,
  config: 2,
  begin: 3,
  read: 4,
  write: 5,
  input: 6,
  endInput: 7,
  resize: 8,
  sync: 9,
  kill: 10,
  stopWriting: 11,
} as const;

/** The version of the protocol that this library speaks. */
export const PROTOCOL = 2;
/** The largest payload of an INPUT frame. */
export const MAX_INPUT = 4096;
/** More than any frame of a keeper has. */
const MAX_PAYLOAD = 8192;
const STATES = ["configured", "starting", "running", "down", "ended"] as const;

/** Encodes a frame to a keeper. */
export function encodeFrame(kind: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([words([kind, payload.length]), payload]);
}

/** Takes the bytes of a connection, in any pieces, and returns the messages that are whole. @throws {RangeError} */
export function keeperMessages(): (bytes: Buffer) => readonly KeeperMessage[] {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    const messages: KeeperMessage[] = [];
    while (rest.length >= 8) {
      const [kind, length] = [rest.readUInt32LE(0), rest.readUInt32LE(4)];
      if (length > MAX_PAYLOAD) throw new RangeError(`a frame of ${length} bytes`);
      if (rest.length < 8 + length) break;
      const message = decode(kind, rest.subarray(8, 8 + length));
      // A later version may say more.
      if (message !== undefined) messages.push(message);
      rest = rest.subarray(8 + length);
    }
    return messages;
  };
}

// Reading beyond a payload that is too short throws a RangeError. A longer one is of a later version.
function decode(kind: number, payload: Buffer): KeeperMessage | undefined {
  const word = (index: number) => payload.readUInt32LE(index * 4);
  switch (kind) {
    case 1:
      return {
        kind: "hello",
        version: word(0),
        state: STATES[word(2)] ?? "running",
        keeper: word(3),
        program: word(4),
        boots: word(5),
        streams: word(6) === 2 ? "terminal" : "pipes",
        holder: word(7),
        rebooting: word(8) !== 0,
      };
    case 2:
      return { kind: "ready" };
    case 3:
      return { kind: "started", program: word(0), boots: word(1), holder: word(2) };
    case 4:
      return { kind: "failed", step: word(0), errno: word(1), text: payload.toString("utf8", 8) };
    case 5:
      return { kind: "down", status: word(0), rebooting: word(1) !== 0 };
    case 6:
      return {
        kind: "data",
        stream: word(0) === 1 ? 1 : 0,
        offset: payload.readBigUInt64LE(8),
        bytes: payload.subarray(16),
      };
    case 7:
      return { kind: "writer", granted: word(0) !== 0, pid: word(1), since: Number(payload.readBigUInt64LE(8)) };
    case 8:
      return { kind: "taken", pid: word(0) };
    case 9:
      return { kind: "synced", id: word(0) };
    case 10:
      return { kind: "exit", text: payload.toString("latin1") };
    case 11:
      return { kind: "reading", granted: word(0) !== 0, limit: word(1) };
    default:
      return undefined;
  }
}
