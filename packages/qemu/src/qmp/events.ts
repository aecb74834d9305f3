import { type Abortable, OverrunError, ProtocolError } from "@pileus/core";
import { z } from "zod";

const Nothing = z.object({});

/**
 * The events in use, by their QAPI names, with the schema of their data. Others arrive too, as {@link QmpOtherEvent}.
 */
export const QMP_EVENTS = {
  /** qapi/run-state.json: the guest, or a QMP client, ended the machine. */
  SHUTDOWN: z.object({ guest: z.boolean(), reason: z.string() }),
  /** A power button was pressed. */
  POWERDOWN: Nothing,
  /** Up to 14 of these have been seen for one reboot of a guest. */
  RESET: z.object({ guest: z.boolean(), reason: z.string() }),
  STOP: Nothing,
  RESUME: Nothing,
  GUEST_PANICKED: z.object({ action: z.string() }),
  /** qapi/char.json: a program in the guest opened or closed a virtio-serial port. */
  VSERPORT_CHANGE: z.object({ id: z.string(), open: z.boolean() }),
  /** qapi/machine.json: the guest has taken memory, or given it back. At most one in a second, of which the last is sent. */
  MEMORY_DEVICE_SIZE_CHANGE: z.object({ id: z.string().optional(), size: z.number() }),
  DEVICE_DELETED: z.object({ device: z.string().optional(), path: z.string() }),
} as const satisfies Readonly<Record<string, z.ZodType>>;

/** An event that the table knows; the others are named `other`. */
export type QmpEventName = keyof typeof QMP_EVENTS;

/** An event whose data has the type that belongs to its name. `at` is in milliseconds since the epoch. */
export type QmpKnownEvent<N extends QmpEventName = QmpEventName> = {
  [E in N]: { readonly name: E; readonly data: z.output<(typeof QMP_EVENTS)[E]>; readonly at: number };
}[N];

/** An event that is not in {@link QMP_EVENTS}. */
export interface QmpOtherEvent {
  readonly name: "other";
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: number;
}

/** Any event of a monitor. */
export type QmpEvent = QmpKnownEvent | QmpOtherEvent;

/** The most events that a reader may fall behind. */
const MAX_QUEUE = 4096;

interface Reader {
  readonly queue: QmpEvent[];
  wake(): void;
  failure: unknown;
  ended: boolean;
}

/**
 * Gives an event its type; `line` is the whole message. @throws {ProtocolError} when a known event has unexpected data.
 */
export function parseEvent(name: string, data: Record<string, unknown>, at: number, line: string): QmpEvent {
  if (!Object.hasOwn(QMP_EVENTS, name)) return { name: "other", event: name, data, at };
  const known = name as QmpEventName;
  const parsed = QMP_EVENTS[known].safeParse(data);
  if (!parsed.success) {
    throw new ProtocolError(`QMP: event ${name} has unexpected data`, line, { cause: parsed.error });
  }
  return { name: known, data: parsed.data, at } as QmpKnownEvent;
}

/** The events of one monitor: listeners by name, and loops that have a queue each. */
export class QmpEvents {
  readonly #listeners = new Map<QmpEvent["name"], Set<(event: never) => void>>();
  readonly #readers = new Set<Reader>();
  #ended = false;

  /** Calls `listener` for each event of that name from now on, until the returned function is called. */
  on<N extends QmpEvent["name"]>(name: N, listener: (event: Extract<QmpEvent, { name: N }>) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /**
   * Yields all events from the call on. Ends when the connection ends; throws `signal.reason` on abort, and an {@link
   * OverrunError} when the reader falls more than 4096 events behind.
   */
  watch(options: Abortable = {}): AsyncIterable<QmpEvent> {
    const { signal } = options;
    const reader: Reader = { queue: [], wake: () => undefined, failure: undefined, ended: this.#ended };
    const abort = () => this.#fail(reader, signal?.reason);
    this.#readers.add(reader);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const readers = this.#readers;
    return (async function* () {
      try {
        for (;;) {
          if (reader.failure !== undefined) throw reader.failure;
          const event = reader.queue.shift();
          if (event !== undefined) yield event;
          else if (reader.ended) return;
          else
            await new Promise<void>((resolve) => {
              reader.wake = resolve;
            });
        }
      } finally {
        readers.delete(reader);
        signal?.removeEventListener("abort", abort);
      }
    })();
  }

  /** For the client: delivers an event to all readers. */
  emit(event: QmpEvent): void {
    for (const listener of this.#listeners.get(event.name) ?? []) (listener as (event: QmpEvent) => void)(event);
    for (const reader of this.#readers) {
      if (reader.queue.length >= MAX_QUEUE) {
        this.#fail(reader, new OverrunError(MAX_QUEUE));
      } else {
        reader.queue.push(event);
        reader.wake();
      }
    }
  }

  /** For the client: ends all loops, because no more events will come. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers) {
      reader.ended = true;
      reader.wake();
    }
  }

  #fail(reader: Reader, failure: unknown): void {
    reader.failure ??= failure;
    this.#readers.delete(reader);
    reader.wake();
  }
}
