import type { InstanceEvent } from "../../contract/events.ts";
import { OverrunError } from "../../errors/all.ts";

/** How many events a reader of `watch()` may be behind. */
export const QUEUE_LIMIT = 4096;

/**
 * What a queue reads before the events to come. `next()` returns the next past events, perhaps none; `undefined` once
 * there are no more, and the queue is then told what comes.
 */
export interface Past {
  next(): readonly InstanceEvent[] | undefined;
}

/** The queue of one call of `watch()`: it fills from the call on, and one loop reads it. */
export class EventQueue implements AsyncIterableIterator<InstanceEvent> {
  readonly #waiting: InstanceEvent[] = [];
  readonly #release: () => void;
  #past: Past | undefined;
  #readers: (() => void)[] = [];
  #end: { readonly error?: unknown } | undefined;

  /** `release` is called once, when the queue accepts no more events. */
  constructor(release: () => void, past?: Past) {
    this.#release = release;
    this.#past = past;
  }

  push(event: InstanceEvent): void {
    // What has a cursor is still to be read.
    if (this.#end !== undefined || (this.#past !== undefined && event.cursor !== undefined)) return;
    if (this.#waiting.length >= QUEUE_LIMIT) {
      this.fail(new OverrunError(QUEUE_LIMIT));
      return;
    }
    this.#waiting.push(event);
    this.#wake();
  }

  /** The loop still reads what is queued and what is past, then ends. */
  close(): void {
    this.#finish({});
  }

  /** The loop throws `error`; queued events are dropped. */
  fail(error: unknown): void {
    this.#clear();
    this.#finish({ error });
  }

  #clear(): void {
    this.#waiting.length = 0;
    this.#past = undefined;
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#release();
    this.#wake();
  }

  #wake(): void {
    for (const reader of this.#readers.splice(0)) reader();
  }

  /** Takes the next past events into the queue. */
  #recall(past: Past): void {
    try {
      const events = past.next();
      if (events === undefined) this.#past = undefined;
      else this.#waiting.push(...events);
    } catch (error) {
      this.#past = undefined;
      if (this.#end === undefined) this.fail(error);
      else this.#end = { error };
    }
  }

  async next(): Promise<IteratorResult<InstanceEvent, undefined>> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) return { done: false, value: event };
      if (this.#past !== undefined) {
        this.#recall(this.#past);
        continue;
      }
      if (this.#end !== undefined) {
        const { error } = this.#end;
        this.#end = {};
        if (error !== undefined) throw error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#readers.push(resolve);
      });
    }
  }

  async return(): Promise<IteratorResult<InstanceEvent, undefined>> {
    this.#clear();
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
