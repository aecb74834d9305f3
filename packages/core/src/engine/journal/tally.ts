import type { InstanceState } from "../../terms/state.ts";
import { type Entry, type Operation, parseEntry } from "./entry.ts";
import { Segment } from "./segment.ts";

/** What all lines together say: which operations are open, and in which state each instance was told to be. */
export class Tally {
  readonly #open = new Map<string, Operation>();
  readonly #states = new Map<string, InstanceState>();

  /** The operations that have begun and not ended, in the order of their begins. */
  get open(): readonly Operation[] {
    return [...this.#open.values()];
  }

  /** The last state that the journal tells of the instance; `undefined` when it says nothing of it any more. */
  state(uuid: string): InstanceState | undefined {
    return this.#states.get(uuid);
  }

  /** Takes the next line into account. */
  add(entry: Entry): void {
    if ("begin" in entry) this.#open.set(entry.begin.id, entry.begin);
    else if ("end" in entry) this.#open.delete(entry.end);
    else if ("event" in entry) {
      const { event } = entry;
      if (event.type === "state") this.#states.set(event.uuid, event.state);
      else if (event.type === "created") this.#states.set(event.uuid, "stopped");
      else if (event.type === "deleted") this.#remove(event.uuid);
    }
  }

  #remove(uuid: string): void {
    this.#states.delete(uuid);
    for (const { id, uuid: of } of this.#open.values()) if (of === uuid) this.#open.delete(id);
  }

  /** Begins with what was open before the oldest file that there is. */
  addHead(open: readonly Operation[]): void {
    for (const operation of open) this.#open.set(operation.id, operation);
  }
}

/**
 * Reads the files of these numbers, ascending, and of the last one only the first `end` bytes. Few lines need to be
 * parsed: those of operations, and the last of each instance.
 */
export function readTally(folder: string, numbers: readonly number[], end = Number.POSITIVE_INFINITY): Tally {
  const files = numbers.map((number) =>
    countedLines(readWhole(folder, number), number === numbers.at(-1) ? end : undefined),
  );
  const tally = new Tally();
  const head = files[0]?.map(parseHead).find((found) => found !== undefined);
  if (head !== undefined) tally.addHead(head.open);
  for (const entry of telling(files.flat())) tally.add(entry);
  return tally;
}

function readWhole(folder: string, number: number): Buffer {
  const segment = Segment.openIfThere(folder, number);
  if (segment === undefined) return Buffer.alloc(0);
  try {
    return segment.readWhole();
  } finally {
    segment.close();
  }
}

/** The finished lines before the seal. */
function countedLines(content: Buffer, end = content.length): string[] {
  const lines = content.subarray(0, end).toString("utf8").split("\n");
  const seal = lines.findIndex(isSeal);
  return lines.slice(0, seal === -1 ? -1 : seal).filter((line) => line !== "");
}

/** Whether the line closes its file. */
function isSeal(line: string): boolean {
  if (!line.startsWith('{"seal":')) return false;
  const entry = parseEntry(line);
  return typeof entry === "object" && "seal" in entry;
}

/** Whether a file with this content is closed. */
export function isSealed(content: Buffer): boolean {
  return linesThatBegin(content, '{"seal":').some(isSeal);
}

/** The first lines of a file; usually one. */
export function headsOf(content: Buffer) {
  return linesThatBegin(content, '{"head":').flatMap((line) => parseHead(line) ?? []);
}

function parseHead(line: string): Extract<Entry, { readonly head: unknown }>["head"] | undefined {
  if (!line.startsWith('{"head":')) return undefined;
  const entry = parseEntry(line);
  return typeof entry === "object" && "head" in entry ? entry.head : undefined;
}

/** The finished lines that begin so. A file has very few of them, and is not cut into lines to find them. */
function linesThatBegin(content: Buffer, begin: string): string[] {
  const lines: string[] = [];
  for (let at = content.indexOf(`\n${begin}`); at !== -1; at = content.indexOf(`\n${begin}`, at + 1)) {
    const end = content.indexOf("\n", at + 1);
    if (end !== -1) lines.push(content.toString("utf8", at + 1, end));
  }
  return lines;
}

/** The operations that were open when the files before `number` were sealed. */
export function openBefore(folder: string, numbers: readonly number[], number: number): readonly Operation[] {
  const before = numbers.filter((other) => other < number);
  return before.length === 0 ? [] : readTally(folder, before).open;
}

/** Events that say nothing of the state. */
const SILENT = /^\{"event":\{"type":"(?:exit|renamed|updated)"/;

/** The entries that count, in order. */
function telling(lines: readonly string[]): Entry[] {
  const seen = new Set<string>();
  const entries: Entry[] = [];
  for (const line of [...lines].reverse()) {
    if (line.startsWith('{"event":')) {
      const [, uuid] = /"uuid":"([0-9a-f-]{36})"/.exec(line) ?? [];
      if (uuid === undefined || seen.has(uuid) || SILENT.test(line)) continue;
      const entry = parseEntry(line);
      if (typeof entry !== "object") continue;
      seen.add(uuid);
      entries.push(entry);
    } else if (line.startsWith('{"begin":') || line.startsWith('{"end":')) {
      const entry = parseEntry(line);
      if (typeof entry === "object") entries.push(entry);
    }
  }
  return entries.reverse();
}
