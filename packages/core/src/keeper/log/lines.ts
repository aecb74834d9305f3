import { MAX_ENTRY } from "./entry.ts";

/** A line of a log without its newline; or so many bytes in a row that are no line that a keeper writes. */
export type LogLine = Buffer | { readonly damaged: number };

const NEWLINE = 10;

/**
 * Takes the bytes of a log in any pieces, and returns the lines that are whole. What follows the last newline is kept,
 * at most as much as the longest entry. Pure, apart from what it keeps.
 */
export function logLines(): { take(bytes: Buffer): readonly LogLine[]; reset(): number } {
  let rest: Buffer = Buffer.alloc(0);
  // Bytes of a line that is too long, which are not kept.
  let damaged = 0;
  const whole = (line: Buffer): LogLine => {
    if (damaged === 0) return line;
    const all = damaged + line.length;
    damaged = 0;
    return { damaged: all };
  };
  return {
    take(bytes) {
      const lines: LogLine[] = [];
      let at = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
        const line = bytes.subarray(at, end);
        lines.push(whole(rest.length === 0 ? line : Buffer.concat([rest, line])));
        rest = Buffer.alloc(0);
        at = end + 1;
      }
      rest = Buffer.concat([rest, bytes.subarray(at)]);
      if (rest.length > MAX_ENTRY) {
        damaged += rest.length;
        rest = Buffer.alloc(0);
      }
      return lines;
    },
    /** Forgets what has not ended, because another file begins; returns how many bytes that were. */
    reset() {
      const left = damaged + rest.length;
      rest = Buffer.alloc(0);
      damaged = 0;
      return left;
    },
  };
}
