import type { Abortable } from "./abortable.ts";
import type { InstanceExit, InstanceState } from "./state.ts";

/** What can happen to an instance. One union; every other event type is derived from it. */
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

/** Listener signatures, one a type of event. */
export type InstanceEvents = { [E in InstanceEvent as E["type"]]: (event: E) => void };

// The declarations of typed-emitter are CommonJS, and this spelling is one that NodeNext and Bundler both take.
// `#typed-emitter` is that package here, and a copy of its declarations in what is published: copy-typed-emitter.mjs.
type EventMap = import("#typed-emitter", { with: { "resolution-mode": "require" }}).EventMap;
/** An `EventEmitter` whose listeners have types: of each event's name, the signature of its listeners. */
// biome-ignore format: a trailing comma in the import attributes is one that Biome's own parser refuses.
export type Emitter<E extends EventMap> = import("#typed-emitter", { with: { "resolution-mode": "require" } }).default<E>;

/** Things that can be watched: one queue a caller, in order, from the moment of the call. */
export interface Watchable {
  /**
   * Yields events from now on. Ends when what is watched is deleted or disposed; throws `signal.reason` on abort.
   * Leaving the loop frees the queue. A reader who falls more than 4096 events behind gets a thrown
   * {@link OverrunError} rather than silently missing some.
   */
  watch(options?: Abortable): AsyncIterable<InstanceEvent>;
}
