import { Socket } from "node:net";
import type { ExitStatus, SignalName, TerminalSize } from "@pileus/core";
import { parseSignal, waitStatus } from "@pileus/core/files";

/** The program that the helper must start. helper/exec-helper.c describes the frames. */
export interface HelperRequest {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly tty: TerminalSize | undefined;
}

const FLAG_TERMINAL = 1;
const SIGNAL = 1;
const RESIZE = 2;
const FRAME = 8;

export function encodeRequest(request: HelperRequest): Buffer {
  const { argv, env, tty, groups } = request;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const numbers = [
    tty === undefined ? 0 : FLAG_TERMINAL,
    request.uid,
    request.gid,
    tty?.columns ?? 0,
    tty?.rows ?? 0,
    groups.length,
    argv.length,
    variables.length,
  ];
  const strings = Buffer.from([request.cwd, ...argv, ...variables].map((text) => `${text}\0`).join(""));
  const parts = [words(numbers), words(groups), strings];
  return Buffer.concat([words([parts.reduce((sum, { length }) => sum + length, 0)]), ...parts]);
}

/** Encodes a signal for the program's process group, or, after the program's end, for the rest of the group. */
export function encodeSignal(signal: SignalName): Buffer {
  return words([SIGNAL, parseSignal(signal) ?? 0]);
}

export function encodeResize({ columns, rows }: TerminalSize): Buffer {
  return words([RESIZE, ((columns & 0xffff) << 16) | (rows & 0xffff)]);
}

/** What a helper says of itself, and of the connections that it got: by their numbers. */
export type HelperMessage =
  | { readonly kind: "taken"; readonly number: number }
  /** No process can be started for it. */
  | { readonly kind: "refused"; readonly number: number }
  /** It cannot confine itself, for this errno, and ends. */
  | { readonly kind: "broken"; readonly errno: number };

export type ProgramMessage =
  | { readonly kind: "started"; readonly pid: number }
  /** The program could not be started; the reason is on its standard error. */
  | { readonly kind: "failed"; readonly code: number }
  | { readonly kind: "ended"; readonly status: ExitStatus }
  /** There is no room for one more process. */
  | { readonly kind: "crowded" };

const HELPER_MESSAGES: Decoder<HelperMessage> = {
  1: (number) => ({ kind: "taken", number }),
  2: (number) => ({ kind: "refused", number }),
  3: (errno) => ({ kind: "broken", errno }),
};

const PROGRAM_MESSAGES: Decoder<ProgramMessage> = {
  1: (pid) => ({ kind: "started", pid }),
  2: (value) => ({ kind: "failed", code: value & 0xff }),
  3: (value) => ({ kind: "ended", status: waitStatus(value) }),
  4: () => ({ kind: "crowded" }),
};

type Decoder<M> = Readonly<Record<number, (value: number) => M>>;

/** Decodes the messages of a helper from chunks of bytes. Skips invalid ones: the container could have sent them. */
export const helperMessages = (): ((bytes: Buffer) => readonly HelperMessage[]) => decoder(HELPER_MESSAGES);

/** The same for the messages about one program. */
export const programMessages = (): ((bytes: Buffer) => readonly ProgramMessage[]) => decoder(PROGRAM_MESSAGES);

function decoder<M>(kinds: Decoder<M>): (bytes: Buffer) => readonly M[] {
  let unread = Buffer.alloc(0);
  return (bytes) => {
    const all = Buffer.concat([unread, bytes]);
    const messages: M[] = [];
    let at = 0;
    for (; at + FRAME <= all.length; at += FRAME) {
      const message = kinds[all.readUInt32LE(at)]?.(all.readUInt32LE(at + 4));
      if (message !== undefined) messages.push(message);
    }
    unread = all.subarray(at);
    return messages;
  };
}

/**
 * A connection on which messages come. They are few and short: reading them through a stream would take a block of
 * 64 KiB for each.
 */
export function messageSocket(fd: number, onBytes: (bytes: Buffer) => void): Socket {
  const buffer = Buffer.alloc(32 * FRAME);
  const callback = (count: number) => {
    // A copy, because the next message comes into the same buffer.
    onBytes(Buffer.from(buffer.subarray(0, count)));
    return true;
  };
  // Node documents `onread` for connections that it opens; the constructor takes it, too, since Node 12.
  const options = { fd, readable: true, writable: true, onread: { buffer, callback } };
  const socket = new Socket(options);
  // A broken connection is handled as its end.
  socket.on("error", () => undefined);
  return socket;
}

function words(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32LE(number >>> 0, index * 4);
  return bytes;
}
