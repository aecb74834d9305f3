import { hostFailure } from "../../system/host-failure.ts";
import { readSmallFile, UnreadableFileError } from "../../system/small-file.ts";
import type { Layout } from "../root/layout.ts";
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
  read(key: string): RecordReading {
    let text: string | undefined;
    try {
      text = readSmallFile(this.#layout.record(key));
    } catch (error) {
      this.#parsed.delete(key);
      if (error instanceof UnreadableFileError) return { kind: "garbage", reason: error.message };
      throw hostFailure(`read the record of instance "${key}"`, error);
    }
    if (text === undefined) {
      this.#parsed.delete(key);
      return { kind: "absent" };
    }
    const before = this.#parsed.get(key);
    if (before?.text === text) return before.reading;
    const reading = ofFolder(key, parseRecord(text));
    this.#parsed.set(key, { text, reading });
    return reading;
  }
}

/** A record that was copied from another folder is not taken for the one of its own. */
function ofFolder(key: string, reading: RecordReading): RecordReading {
  if (reading.kind !== "record" || (reading.record.folder ?? key) === key) return reading;
  return { kind: "garbage", reason: `it belongs in the folder ${reading.record.folder}` };
}
