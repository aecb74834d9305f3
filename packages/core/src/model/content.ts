import { z } from "zod";
import { ConfigError } from "../errors/all.ts";

/** What can be the input of a program or the content of a file. */
export const ContentSchema = z.custom<string | Uint8Array | AsyncIterable<Uint8Array>>(
  isContent,
  "must be a string, a Uint8Array, or an async iterable of Uint8Arrays",
);

function isContent(value: unknown): boolean {
  if (typeof value === "string" || value instanceof Uint8Array) return true;
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

/**
 * Yields the pieces of an iterable, each checked as it comes.
 *
 * @throws {ConfigError} for a piece that is neither bytes nor a string. `subject` names the argument, as in `"input"`.
 */
export async function* checkedPieces(source: AsyncIterable<unknown>, subject: string): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    if (typeof piece === "string") yield Buffer.from(piece);
    else if (piece instanceof Uint8Array) yield piece;
    else {
      const what = piece === null ? "null" : Array.isArray(piece) ? "a list" : `a value of type ${typeof piece}`;
      throw new ConfigError(subject, [{ path: [], message: `must yield Uint8Arrays or strings, but yielded ${what}` }]);
    }
  }
}
