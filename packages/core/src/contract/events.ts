import type { Abortable } from "./abortable.ts";
import type { InstanceExit, InstanceState } from "./state.ts";

/** What can happen to an instance. Every other event type is derived from this union. */
export type InstanceEvent =
  | { readonly type: "created"; readonly instance: string; readonly at: number }
  | {
      readonly type: "state";
      readonly instance: string;
      readonly at: number;
      readonly state: InstanceState;
      readonly previous: InstanceState;
    }
  | { readonly type: "exit"; readonly instance: string; readonly at: number; readonly exit: InstanceExit }
  | { readonly type: "deleted"; readonly instance: string; readonly at: number };

/** Listener signatures, one for each type of event. */
export type InstanceEvents = { [E in InstanceEvent as E["type"]]: (event: E) => void };

// The declarations of typed-emitter are CommonJS; NodeNext and Bundler both accept this spelling. `#typed-emitter` is
// that package here. In the published package it is a copy of its declarations: see copy-typed-emitter.mjs.
type EventMap = import("#typed-emitter", { with: { "resolution-mode": "require" }}).EventMap;
/** An `EventEmitter` with typed listeners: `E` maps each event's name to the signature of its listeners. */
// biome-ignore format: a trailing comma in the import attributes is one that Biome's own parser refuses.
export type Emitter<E extends EventMap> = import("#typed-emitter", { with: { "resolution-mode": "require" } }).default<E>;

/** Something that can be watched. Each caller has its own ordered queue, which begins at the call. */
export interface Watchable {
  /**
   * Yields events from now on. The loop ends when the watched object is deleted or disposed, and throws `signal.reason`
   * on abort. Leaving the loop frees the queue. When a reader falls more than 4096 events behind, the loop throws
   * {@link OverrunError} instead of losing events silently.
   */
  watch(options?: Abortable): AsyncIterable<InstanceEvent>;
}
