import type { Abortable } from "../flow/abortable.ts";
import type { InstanceExit, InstanceState } from "../terms/state.ts";

/** What every event has. */
export interface EventFacts {
  /** The name of the instance then; of `renamed`, the new one. */
  readonly instance: string;
  /** Tells the instance from a later one of the same name. */
  readonly uuid: string;
  /** Milliseconds since the epoch, by the clock of the process that did it; the order of events is that of `watch()`. */
  readonly at: number;
  /**
   * The place after this event among all events of the root: pass it as `since` to `watch()`, in any process and at any
   * later time. Absent for what concerns this process alone, such as the state `error`, and for an event that could not
   * be written because the disk was full.
   */
  readonly cursor?: string | undefined;
  /**
   * So many events before this one may be missing, of any instance: they could not be written, or what was written is
   * damaged. Then read the states again. Absent when nothing is missing.
   */
  readonly missed?: number | undefined;
}

/** What can happen to an instance. Every other event type is derived from this union. */
export type InstanceEvent = EventFacts &
  (
    | { readonly type: "created" }
    | { readonly type: "state"; readonly state: InstanceState; readonly previous: InstanceState }
    | { readonly type: "exit"; readonly exit: InstanceExit }
    | { readonly type: "renamed"; readonly from: string; readonly to: string }
    | { readonly type: "updated"; readonly changes: readonly MadeChange[] }
    | { readonly type: "deleted" }
  );

/** One key of a configuration that `update()` has changed: what runs has it, or gets it with the next start. */
export interface MadeChange {
  /** As in a `Plan`: `limits.memory`, or `env`. */
  readonly path: string;
  readonly effect: "live" | "next-start";
}

/** Listener signatures, one for each type of event. */
export type InstanceEvents = { [E in InstanceEvent as E["type"]]: (event: E) => void };

// The declarations of typed-emitter are CommonJS; NodeNext and Bundler both accept this spelling. `#typed-emitter` is
// that package here. In the published package it is a copy of its declarations: see copy-typed-emitter.mjs.
type EventMap = import("#typed-emitter", { with: { "resolution-mode": "require" }}).EventMap;
/** An `EventEmitter` with typed listeners: `E` maps each event's name to the signature of its listeners. */
// biome-ignore format: a trailing comma in the import attributes is one that Biome's own parser refuses.
export type Emitter<E extends EventMap> = import("#typed-emitter", { with: { "resolution-mode": "require" } }).default<E>;

/** What `watch()` takes. */
export interface WatchOptions extends Abortable {
  /**
   * The `cursor` of an event: the watch then begins with what happened after it, also while no process was there.
   * `oldest`: with the oldest event that is kept, of at least 2 MiB or about 10,000 events. Default: with what happens
   * from the call on.
   */
  readonly since?: string | undefined;
}

/** Something that can be watched. Each caller has its own ordered queue, which begins at the call. */
export interface Watchable {
  /**
   * Yields what every process does on the root, in one order for all of them. While there is a watch, the process does
   * not end by itself. The loop ends when the watched object is deleted or disposed, and throws `signal.reason` on
   * abort. Leaving the loop frees the queue. When a reader falls more than 4096 events behind, the loop throws
   * {@link OverrunError} instead of losing events silently; `since` the last cursor nothing is lost.
   *
   * The loop throws {@link CursorError} when the events since the cursor are not kept any more: list the instances
   * again, and watch without `since`.
   */
  watch(options?: WatchOptions): AsyncIterable<InstanceEvent>;
}
