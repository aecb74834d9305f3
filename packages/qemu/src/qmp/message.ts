import { ProtocolError } from "@pileus/core";
import { parseJson } from "@pileus/core/driver";
import { z } from "zod";

// The wire format is docs/interop/qmp-spec of QEMU. Objects are open: the spec asks clients to ignore unknown members.

/** qmp-spec 2.2: what the server says first. */
const QmpGreetingSchema = z.object({
  QMP: z.object({
    version: z.object({
      qemu: z.object({ major: z.number().int(), minor: z.number().int(), micro: z.number().int() }),
      package: z.string(),
    }),
    capabilities: z.array(z.string()),
  }),
});
/** What a monitor says first. */
export type QmpGreeting = z.output<typeof QmpGreetingSchema>;

/** qmp-spec 2.4.1. Our ids are numbers: an answer with any other id belongs to no command. */
const ReturnSchema = z
  .object({ return: z.unknown(), id: z.unknown().optional() })
  .refine((message) => message.return !== undefined);

/** qmp-spec 2.4.2: an error without an id answers input that QEMU could not read. */
const ErrorSchema = z.object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.unknown().optional() });

/** qmp-spec 2.5. */
const EventSchema = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
  timestamp: z.object({ seconds: z.number(), microseconds: z.number() }),
});

export type QmpMessage =
  | { readonly kind: "greeting"; readonly greeting: QmpGreeting }
  | { readonly kind: "return"; readonly id: unknown; readonly value: unknown }
  | { readonly kind: "error"; readonly id: unknown; readonly errorClass: string; readonly description: string }
  /** `at`: milliseconds since the epoch, by the clock of QEMU's host. */
  | { readonly kind: "event"; readonly name: string; readonly data: Record<string, unknown>; readonly at: number };

// QEMU itself accepts no deeper message (qobject/json-streamer.c, MAX_NESTING). It sends one level for each image in a
// chain.
const MAX_DEPTH = 1024;

/**
 * Reads one line of the server. @throws {ProtocolError} when it is not JSON, is nested too deeply, or is not a message
 * of the protocol.
 */
export function parseMessage(line: string): QmpMessage {
  let json: unknown;
  try {
    json = parseJson(line, { maxDepth: MAX_DEPTH });
  } catch (cause) {
    throw new ProtocolError(`QMP: a line cannot be read: ${(cause as SyntaxError).message}`, line, { cause });
  }
  const returned = ReturnSchema.safeParse(json);
  if (returned.success) return { kind: "return", id: returned.data.id, value: returned.data.return };
  const event = EventSchema.safeParse(json);
  if (event.success) {
    const { seconds, microseconds } = event.data.timestamp;
    const at = Math.round(seconds * 1000 + microseconds / 1000);
    return { kind: "event", name: event.data.event, data: event.data.data, at };
  }
  const error = ErrorSchema.safeParse(json);
  if (error.success) {
    const { class: errorClass, desc: description } = error.data.error;
    return { kind: "error", id: error.data.id, errorClass, description };
  }
  const greeting = QmpGreetingSchema.safeParse(json);
  if (greeting.success) return { kind: "greeting", greeting: greeting.data };
  throw new ProtocolError("QMP: a line is not a message of the protocol", line);
}
