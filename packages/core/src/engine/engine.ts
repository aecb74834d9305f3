import type { AnyDriver, Backend } from "../driver/backend.ts";
import type { IdRanges } from "../idmap/id-ranges.ts";
import type { EventBus } from "./events.ts";
import type { Layout } from "./layout.ts";
import type { Lifetimes } from "./lifetimes.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { ImageStore, NetworkManager } from "./ports.ts";
import type { Records } from "./records.ts";

/** An opened driver of this host. */
export interface OpenDriver {
  readonly driver: AnyDriver;
  readonly backend: Backend<never>;
}

/** What all calls on one open host share. */
export interface Engine {
  readonly layout: Layout;
  readonly records: Records;
  readonly drivers: ReadonlyMap<string, OpenDriver>;
  readonly images: ImageStore;
  readonly networks: NetworkManager;
  readonly ids: IdRanges;
  readonly events: EventBus;
  readonly lifetimes: Lifetimes;
  /** The instances that this process knows, by name. The records on disk are the truth. */
  readonly instances: Map<string, ManagedInstance>;
  /** Aborts when the host is disposed; everything that waits then ends. */
  readonly closing: AbortSignal;
  /** Work that disposing the host waits for. */
  readonly work: Set<Promise<unknown>>;
}

/** Counts `promise` as work under way: disposing the host waits for it. */
export function track<T>(engine: Engine, promise: Promise<T>): Promise<T> {
  const settled = promise.then(
    () => undefined,
    () => undefined,
  );
  engine.work.add(settled);
  void settled.then(() => engine.work.delete(settled));
  return promise;
}
