import type { ExitStatus, SignalName, TerminalSize } from "@pileus/core";
import { parseSignal, signalName } from "@pileus/core/files";
import { CONFINEMENT_HEAD } from "../confinement.ts";

/** The program that the helper must start. helper/exec-helper.c describes the frames. Pure. */
export interface HelperRequest {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly tty: TerminalSize | undefined;
  /** See `encodeConfinement()`. */
  readonly confinement: Buffer;
}

const FLAG_TERMINAL = 1;
const SIGNAL = 1;
const RESIZE = 2;
const FRAME = 8;

export function encodeRequest(request: HelperRequest): Buffer {
  const { argv, env, tty, groups, confinement } = request;
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
  const rights = confinement.subarray(0, CONFINEMENT_HEAD);
  const filter = confinement.subarray(CONFINEMENT_HEAD);
  const parts = [words(numbers), rights, words(groups), filter, strings];
  return Buffer.concat([words([parts.reduce((sum, { length }) => sum + length, 0)]), ...parts]);
}

/** Encodes a signal for the program's process group, or, after the program's end, for the rest of the group. */
export function encodeSignal(signal: SignalName): Buffer {
  return words([SIGNAL, parseSignal(signal) ?? 0]);
}

export function encodeResize({ columns, rows }: TerminalSize): Buffer {
  return words([RESIZE, ((columns & 0xffff) << 16) | (rows & 0xffff)]);
}

export type HelperMessage =
  | { readonly kind: "started"; readonly pid: number }
  /** The program could not be started; the reason is on its standard error. */
  | { readonly kind: "failed"; readonly code: number }
  | { readonly kind: "ended"; readonly status: ExitStatus };

/**
 * Decodes the messages in `bytes`, and returns the bytes of an incomplete last one. Skips invalid messages: the
 * container could have sent them.
 */
export function decodeMessages(bytes: Buffer): { readonly messages: readonly HelperMessage[]; readonly rest: Buffer } {
  const messages: HelperMessage[] = [];
  let at = 0;
  for (; at + FRAME <= bytes.length; at += FRAME) {
    const value = bytes.readUInt32LE(at + 4);
    switch (bytes.readUInt32LE(at)) {
      case 1:
        messages.push({ kind: "started", pid: value });
        break;
      case 2:
        messages.push({ kind: "failed", code: value & 0xff });
        break;
      case 3:
        messages.push({ kind: "ended", status: waitStatus(value) });
        break;
    }
  }
  return { messages, rest: bytes.subarray(at) };
}

/** wait(2), WIFSIGNALED. */
export function waitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0
    ? { kind: "exited", code: (status >> 8) & 0xff }
    : { kind: "signaled", signal: signalName(signal) };
}

function words(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32LE(number >>> 0, index * 4);
  return bytes;
}
