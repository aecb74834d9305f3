import { hostFailure } from "../system/host-failure.ts";
import { readSmallFile, UnreadableFileError } from "../system/small-file.ts";
import type { Layout } from "./layout.ts";
import { parseRecord, type RecordReading } from "./record.ts";

/**
 * Reads the records of a root from disk. Every verb reads one, so a record is parsed again only when its text has
 * changed (70 µs).
 */
export class Records {
  readonly #layout: Layout;
  readonly #parsed = new Map<string, { readonly text: string; readonly reading: RecordReading }>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /**
   * The result is shared: do not change it. @throws {HostError} when this process lacks a right or a resource to read.
   */
  read(name: string): RecordReading {
    let text: string | undefined;
    try {
      text = readSmallFile(this.#layout.record(name));
    } catch (error) {
      this.#parsed.delete(name);
      if (error instanceof UnreadableFileError) return { kind: "garbage", reason: error.message };
      throw hostFailure(`read the record of instance "${name}"`, error);
    }
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
}
