import { EventEmitter } from "node:events";
import type { Emitter, InstanceEvent, InstanceEvents, WatchOptions } from "../../contract/events.ts";
import { onAbort } from "../../flow/deadline.ts";
import { parse } from "../../model/parse.ts";
import { WatchOptionsSchema } from "../../model/verb-options.ts";
import { EventQueue, type Past } from "./event-queue.ts";

/**
 * Reads what happened since a cursor, or what is kept since `oldest`. `undefined`: what happened up to now is nothing that
 * a loop is to tell, and was told to those that are there.
 */
export type Recall = (since: string | undefined) => Past | undefined;

/** Delivers all events of one host to listeners and watchers. */
export class EventBus {
  readonly #taps = new Set<EventTap>();
  readonly #onWatched: () => () => void;
  readonly #recall: Recall;
  #watches = 0;
  #unwatched = () => {};
  #closed = false;

  /** `onWatched` is called when somebody begins to watch, and its result when nobody watches any more. */
  constructor(onWatched: () => () => void, recall: Recall) {
    this.#onWatched = onWatched;
    this.#recall = recall;
  }

  publish(event: InstanceEvent): void {
    for (const tap of this.#taps) tap.deliver(event);
  }

  /** The next event says that so many before it may be missing. */
  miss(count: number): void {
    for (const tap of this.#taps) tap.miss(count);
  }

  /** Gives a reader its events: all, or those of the instance with that uuid. */
  tap(uuid?: string): EventTap {
    const tap: EventTap = new EventTap(uuid, {
      close: () => this.#taps.delete(tap),
      watch: () => this.#watch(),
      recall: (since) => this.#recall(since),
    });
    this.#taps.add(tap);
    if (this.#closed) tap.close();
    return tap;
  }

  #watch(): () => void {
    if (this.#watches === 0) this.#unwatched = this.#onWatched();
    this.#watches += 1;
    return () => {
      this.#watches -= 1;
      if (this.#watches === 0) this.#unwatched();
    };
  }

  /** Ends all readers; later readers end at once. */
  close(): void {
    this.#closed = true;
    for (const tap of this.#taps) tap.close();
  }
}

/** What a reader tells the bus. */
interface Tapped {
  close(): void;
  /** A loop begins. Returns the function to call when it has ended. */
  watch(): () => void;
  readonly recall: Recall;
}

/**
 * One reader of the bus: an emitter for listeners and any number of queues. Ends on {@link close}, and after the
 * `deleted` event of its own instance.
 */
export class EventTap {
  readonly emitter = new EventEmitter() as Emitter<InstanceEvents>;
  readonly #uuid: string | undefined;
  readonly #queues = new Set<EventQueue>();
  readonly #tapped: Tapped;
  #closed = false;
  #missed = 0;

  constructor(uuid: string | undefined, tapped: Tapped) {
    this.#uuid = uuid;
    this.#tapped = tapped;
  }

  /** Called by the bus. */
  miss(count: number): void {
    this.#missed += count;
  }

  /** Called by the bus. */
  deliver(told: InstanceEvent): void {
    if (this.#uuid !== undefined && told.uuid !== this.#uuid) return;
    const event = this.#missed > 0 ? { ...told, missed: this.#missed } : told;
    this.#missed = 0;
    for (const queue of this.#queues) queue.push(event);
    // In a task of its own: if a listener throws, that is an uncaught exception of the caller's, not a failure of the
    // call.
    queueMicrotask(() => this.#emit(event));
    if (this.#uuid !== undefined && event.type === "deleted") this.close();
  }

  #emit(event: InstanceEvent): void {
    switch (event.type) {
      case "created":
        this.emitter.emit("created", event);
        break;
      case "state":
        this.emitter.emit("state", event);
        break;
      case "exit":
        this.emitter.emit("exit", event);
        break;
      case "renamed":
        this.emitter.emit("renamed", event);
        break;
      case "updated":
        this.emitter.emit("updated", event);
        break;
      case "deleted":
        this.emitter.emit("deleted", event);
        break;
      default:
        event satisfies never;
    }
  }

  watch(options: WatchOptions = {}): AsyncIterable<InstanceEvent> {
    const { since, signal } = parse(WatchOptionsSchema, options, "options of watch");
    const abort = () => queue.fail(signal?.reason);
    let stop = () => {};
    const ended = this.#tapped.watch();
    const queue = new EventQueue(() => {
      ended();
      this.#queues.delete(queue);
      stop();
    }, this.#past(since));
    this.#queues.add(queue);
    if (signal !== undefined) stop = onAbort(signal, abort);
    if (this.#closed && !signal?.aborted) queue.close();
    return queue;
  }

  /** The past events for this reader: all, or those of its instance. */
  #past(since: string | undefined): Past | undefined {
    const past = this.#tapped.recall(since);
    if (this.#uuid === undefined || past === undefined) return past;
    let missed = 0;
    return {
      next: () => {
        const events = past.next();
        return events?.flatMap((event) => {
          missed += event.missed ?? 0;
          if (event.uuid !== this.#uuid) return [];
          const told = missed > 0 ? { ...event, missed } : event;
          missed = 0;
          return told;
        });
      },
    };
  }

  /** Ends listeners and watchers. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tapped.close();
    for (const queue of this.#queues) queue.close();
    // After the events that were delivered before have reached the listeners.
    queueMicrotask(() => this.emitter.removeAllListeners());
  }
}
