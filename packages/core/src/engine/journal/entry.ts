import { z } from "zod";
import { InstanceExitSchema } from "../../terms/exit.ts";
import { type InstanceState, TRANSITIONS } from "../../terms/state.ts";
import { parseJson } from "../../text/bounded-json.ts";

const StateSchema = z.enum(Object.keys(TRANSITIONS) as InstanceState[]);
/** Reads a `MadeChange`. */
export const MadeChangeSchema = z.object({ path: z.string(), effect: z.enum(["live", "next-start"]) });
const SUBJECT = { instance: z.string(), uuid: z.string(), at: z.number() };

const StoredEventSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("created"), ...SUBJECT }),
  z.object({ type: z.literal("state"), ...SUBJECT, state: StateSchema, previous: StateSchema }),
  z.object({ type: z.literal("exit"), ...SUBJECT, exit: z.object(InstanceExitSchema.shape) }),
  z.object({ type: z.literal("renamed"), ...SUBJECT, from: z.string(), to: z.string() }),
  z.object({ type: z.literal("updated"), ...SUBJECT, changes: z.array(MadeChangeSchema) }),
  z.object({ type: z.literal("deleted"), ...SUBJECT }),
]);

/** An event as the journal has it: an `InstanceEvent` before it has its place. */
export type StoredEvent = Readonly<z.output<typeof StoredEventSchema>>;

const OperationSchema = z.object({
  id: z.string(),
  /** What is done, such as `create`: it chooses who can finish or undo it. */
  kind: z.string(),
  /** The uuid of the instance. */
  uuid: z.string(),
  /** The name of the instance. */
  instance: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** What is needed to finish or undo it. */
  data: z.json().optional(),
});

/** An operation with effects on the host. */
export type Operation = Readonly<z.output<typeof OperationSchema>>;

const EntrySchema = z.union([
  z.object({ event: StoredEventSchema, by: z.string() }),
  z.object({ begin: OperationSchema, by: z.string() }),
  z.object({ end: z.string(), by: z.string() }),
  /** So many events of that process could not be written before. */
  z.object({ lost: z.number().int().positive(), by: z.string() }),
  /** The first line of a file. */
  z.object({ head: z.object({ boot: z.string(), open: z.array(OperationSchema) }), by: z.string() }),
  /** The last line of a file that counts. */
  z.object({ seal: z.literal(true), by: z.string() }),
]);

/** One line of the journal. `by` is of one write: all lines of it have the same. */
export type Entry = z.output<typeof EntrySchema>;

type WithoutWriter<E> = E extends unknown ? Omit<E, "by"> : never;
/** An {@link Entry} that is about to be written. */
export type NewEntry = WithoutWriter<Entry>;

/**
 * The text of one write. It begins with a newline, so that what another write left unfinished is a line of its own.
 */
export function renderEntries(entries: readonly NewEntry[], by: string): string {
  return `\n${entries.map((entry) => `${JSON.stringify({ ...entry, by })}\n`).join("")}`;
}

/** What a line is: an entry; `unknown`, written by a later release; or `damaged`. */
export function parseEntry(line: string): Entry | "unknown" | "damaged" {
  let json: unknown;
  try {
    json = parseJson(line);
  } catch {
    return "damaged";
  }
  const parsed = EntrySchema.safeParse(json);
  if (parsed.success) return parsed.data;
  return typeof json === "object" && json !== null && "by" in json ? "unknown" : "damaged";
}
