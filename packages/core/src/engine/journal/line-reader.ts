/** A whole line of a file. */
export interface Line {
  readonly text: string;
  /** The offset after its newline. */
  readonly end: number;
}

/** The longest line, in bytes. What is longer was not written by this library. */
export const MAX_LINE = 1024 * 1024;

const [NEWLINE, SPACE] = [0x0a, 0x20];

/** Cuts the bytes of a file into lines, from a given offset on. An unfinished line waits for its rest. */
export class LineReader {
  #offset: number;
  #rest: Buffer = Buffer.alloc(0);
  #skipping: boolean;

  /** `withinLine`: what comes up to the next newline is not a whole line, and is left out. */
  constructor(offset: number, withinLine = false) {
    this.#offset = offset;
    this.#skipping = withinLine;
  }

  /** The offset of the next byte to give to {@link push}. */
  get offset(): number {
    return this.#offset;
  }

  /** The lines that `bytes` finish, without blank ones. A line beyond {@link MAX_LINE} is the empty text. */
  push(bytes: Buffer): Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, from)) {
      const line = Buffer.concat([this.#rest, bytes.subarray(from, at)]);
      from = at + 1;
      this.#rest = Buffer.alloc(0);
      const end = this.#offset + from;
      if (this.#skipping) this.#skipping = false;
      else if (line.length > MAX_LINE) lines.push({ text: "", end });
      else if (line.some((byte) => byte !== SPACE)) lines.push({ text: line.toString("utf8"), end });
    }
    this.#offset += bytes.length;
    const rest = bytes.subarray(from);
    // Of a line that is too long anyway, the length alone counts.
    if (!this.#skipping && rest.length > 0 && this.#rest.length <= MAX_LINE)
      this.#rest = Buffer.concat([this.#rest, rest]);
    return lines;
  }
}
