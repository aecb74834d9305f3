import { z } from "zod";

/** What can be fed to a program or written to a file. */
export const ContentSchema = z.custom<string | Uint8Array | AsyncIterable<Uint8Array>>(
  isContent,
  "must be a string, a Uint8Array, or an async iterable of Uint8Arrays",
);

function isContent(value: unknown): boolean {
  if (typeof value === "string" || value instanceof Uint8Array) return true;
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
