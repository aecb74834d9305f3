import { OverrunError } from "../contract/errors.ts";
import type { InstanceEvent } from "../contract/events.ts";

/** How many events a reader of `watch()` may be behind. */
export const QUEUE_LIMIT = 4096;

/** The queue of one call of `watch()`: it fills from the call on, and one loop reads it. */
export class EventQueue implements AsyncIterableIterator<InstanceEvent> {
  readonly #waiting: InstanceEvent[] = [];
  readonly #release: () => void;
  #readers: (() => void)[] = [];
  #end: { readonly error?: unknown } | undefined;

  /** `release` is called once, when the queue accepts no more events. */
  constructor(release: () => void) {
    this.#release = release;
  }

  push(event: InstanceEvent): void {
    if (this.#end !== undefined) return;
    if (this.#waiting.length >= QUEUE_LIMIT) {
      this.fail(new OverrunError(QUEUE_LIMIT));
      return;
    }
    this.#waiting.push(event);
    this.#wake();
  }

  /** The loop still reads the queued events, then ends. */
  close(): void {
    this.#finish({});
  }

  /** The loop throws `error`; queued events are dropped. */
  fail(error: unknown): void {
    this.#waiting.length = 0;
    this.#finish({ error });
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

  async next(): Promise<IteratorResult<InstanceEvent, undefined>> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) return { done: false, value: event };
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
    this.#waiting.length = 0;
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
