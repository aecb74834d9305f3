import { EventEmitter } from "node:events";
import type { Abortable } from "../contract/abortable.ts";
import type { Emitter, InstanceEvent, InstanceEvents } from "../contract/events.ts";
import { onAbort } from "../driver/deadline.ts";
import { AbortableSchema } from "../model/call-options.ts";
import { parse } from "../model/parse.ts";
import { EventQueue } from "./event-queue.ts";

/** Delivers all events of one host to listeners and watchers. */
export class EventBus {
  readonly #taps = new Set<EventTap>();
  readonly #onWatched: () => () => void;
  #watches = 0;
  #unwatched = () => {};
  #closed = false;

  /** `onWatched` is called when somebody begins to watch, and its result when nobody watches any more. */
  constructor(onWatched: () => () => void = () => () => undefined) {
    this.#onWatched = onWatched;
  }

  publish(event: InstanceEvent): void {
    for (const tap of this.#taps) tap.deliver(event);
  }

  /** Gives a reader its events: all, or those of one instance. */
  tap(instance?: string): EventTap {
    const tap: EventTap = new EventTap(instance, {
      close: () => this.#taps.delete(tap),
      watch: () => this.#watch(),
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
}

/**
 * One reader of the bus: an emitter for listeners and any number of queues. Ends on {@link close}, and after the
 * `deleted` event of its own instance.
 */
export class EventTap {
  readonly emitter = new EventEmitter() as Emitter<InstanceEvents>;
  readonly #instance: string | undefined;
  readonly #queues = new Set<EventQueue>();
  readonly #tapped: Tapped;
  #closed = false;

  constructor(instance: string | undefined, tapped: Tapped) {
    this.#instance = instance;
    this.#tapped = tapped;
  }

  /** Called by the bus. */
  deliver(event: InstanceEvent): void {
    if (this.#instance !== undefined && event.instance !== this.#instance) return;
    for (const queue of this.#queues) queue.push(event);
    // In a task of its own: if a listener throws, that is an uncaught exception of the caller's, not a failure of the
    // call.
    queueMicrotask(() => this.#emit(event));
    if (this.#instance !== undefined && event.type === "deleted") this.close();
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
      case "deleted":
        this.emitter.emit("deleted", event);
        break;
      default:
        event satisfies never;
    }
  }

  watch(options: Abortable = {}): AsyncIterable<InstanceEvent> {
    parse(AbortableSchema, options, "options of watch");
    const { signal } = options;
    const abort = () => queue.fail(signal?.reason);
    let stop = () => {};
    const ended = this.#tapped.watch();
    const queue = new EventQueue(() => {
      ended();
      this.#queues.delete(queue);
      stop();
    });
    this.#queues.add(queue);
    if (signal !== undefined) stop = onAbort(signal, abort);
    if (this.#closed && !signal?.aborted) queue.close();
    return queue;
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
