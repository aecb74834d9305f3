import type { AnyDriver, Backend } from "../driver/backend.ts";
import type { EventBus } from "./events.ts";
import type { Layout } from "./layout.ts";
import type { Lifetimes } from "./lifetimes.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { ImageStore, NetworkManager } from "./ports.ts";
import type { Records } from "./records.ts";

/** A driver of this host, opened. */
export interface OpenDriver {
  readonly driver: AnyDriver;
  readonly backend: Backend<never>;
}

/** What all verbs of one open host share. */
export interface Engine {
  readonly layout: Layout;
  readonly records: Records;
  readonly drivers: ReadonlyMap<string, OpenDriver>;
  readonly images: ImageStore;
  readonly networks: NetworkManager;
  readonly events: EventBus;
  readonly lifetimes: Lifetimes;
  /** The instances that this process has met, by name. The truth is on disk. */
  readonly instances: Map<string, ManagedInstance>;
  /** Aborts when the host is disposed: everything that waits ends. */
  readonly closing: AbortSignal;
  /** Work that the host's disposal waits for. */
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
