import { isUtf8 } from "node:buffer";

// A file name on Linux is bytes. As text it is decoded from UTF-8; a byte that belongs to no character becomes a lone
// surrogate, U+DC80 to U+DCFF for 0x80 to 0xff: PEP 383, Python's "surrogateescape". JSON carries it as "\udcff".

/** The text of a name, path or symlink target. {@link nameBytes} gives back exactly these bytes. */
export function nameText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    text += length === 0 ? String.fromCharCode(0xdc00 + byteAt(bytes, at)) : bytes.toString("utf8", at, at + length);
    at += length || 1;
  }
  return text;
}

/** The bytes of a name, path or symlink target. @throws {RangeError} for a text that {@link isNameText} refuses. */
export function nameBytes(text: string): Buffer {
  if (!SURROGATE.test(text)) return Buffer.from(text);
  if (!isNameText(text)) throw new RangeError("a lone surrogate that stands for no byte");
  return Buffer.concat(
    // Every second part matched the expression.
    text.split(/([\udc80-\udcff])/u).map((part, index) => {
      return index % 2 === 0 ? Buffer.from(part) : Buffer.from([part.charCodeAt(0) - 0xdc00]);
    }),
  );
}

/** Whether a text stands for bytes: its only lone surrogates are those of bytes that are not UTF-8. */
export function isNameText(text: string): boolean {
  return !/[\ud800-\udc7f\udd00-\udfff]/u.test(text);
}

const SURROGATE = /\p{Surrogate}/u;

/** How many bytes the UTF-8 character at `at` has; 0 if there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const end = Math.min(4, bytes.length - at);
  for (let length = 1; length <= end; length += 1) if (isUtf8(bytes.subarray(at, at + length))) return length;
  return 0;
}

function byteAt(bytes: Buffer, at: number): number {
  return bytes[at] as number;
}
