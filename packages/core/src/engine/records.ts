import { readFileSync } from "node:fs";
import type { Layout } from "./layout.ts";
import { parseRecord, type RecordReading } from "./record.ts";

/**
 * The records of a root as they are on disk now. Every verb reads one, so reading is cheap: synchronous, for a small
 * local file costs less than a trip through the thread pool (9 against 130 µs), and parsed again only when its text has
 * changed (70 µs).
 */
export class Records {
  readonly #layout: Layout;
  readonly #parsed = new Map<string, { readonly text: string; readonly reading: RecordReading }>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** What is returned is shared: nobody may change it. */
  read(name: string): RecordReading {
    const text = this.#text(name);
    if (text === undefined) {
      this.#parsed.delete(name);
      return { kind: "absent" };
    }
    const before = this.#parsed.get(name);
    if (before?.text === text) return before.reading;
    const reading = parseRecord(text);
    this.#parsed.set(name, { text, reading });
    return reading;
  }

  #text(name: string): string | undefined {
    try {
      return readFileSync(this.#layout.record(name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }
}
