import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { Layout } from "./layout.ts";
import { MAX_RECORD, parseRecord, type RecordReading } from "./record.ts";

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
    let text: string | undefined;
    try {
      text = readBounded(this.#layout.record(name));
    } catch (error) {
      this.#parsed.delete(name);
      // What this process lacks is no fault of the record.
      if (["EMFILE", "ENFILE", "ENOMEM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
      return { kind: "garbage", reason: (error as Error).message };
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

/** `undefined` where there is none. @throws what keeps it from being read, be it that it is no file or far too large */
function readBounded(path: string): string | undefined {
  let fd: number;
  try {
    // A fifo would be waited for.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw new Error("it is no file");
    if (found.size > MAX_RECORD) throw new Error(`it has ${found.size} bytes, and may have ${MAX_RECORD}`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
