import type { AnyDriver, Backend } from "../../contract/backend.ts";
import type { IdRanges } from "../../idmap/id-ranges.ts";
import type { ImageStore } from "../../images/image-store.ts";
import type { NetworkManager } from "../../network/network-manager.ts";
import type { HostEvents } from "../events/host-events.ts";
import type { Records } from "../record/records.ts";
import type { Undoings } from "../record/settle.ts";
import type { Layout } from "../root/layout.ts";
import type { Lifetimes } from "./lifetimes.ts";

/** An opened driver of this host. */
export interface OpenDriver {
  readonly driver: AnyDriver;
  readonly backend: Backend<never>;
}

/** What all instances of one open host share. */
export interface Shared {
  readonly layout: Layout;
  readonly records: Records;
  readonly drivers: ReadonlyMap<string, OpenDriver>;
  readonly images: ImageStore;
  readonly networks: NetworkManager;
  readonly ids: IdRanges;
  readonly events: HostEvents;
  readonly lifetimes: Lifetimes;
  readonly undoings: Undoings;
  /** Aborts when the host is disposed; everything that waits then ends. */
  readonly closing: AbortSignal;
  /** Work that disposing the host waits for. */
  readonly work: Set<Promise<unknown>>;
}

/** Counts `promise` as work under way: disposing the host waits for it. */
export function track<T>({ work }: Shared, promise: Promise<T>): Promise<T> {
  const settled = promise.then(
    () => undefined,
    () => undefined,
  );
  work.add(settled);
  void settled.then(() => work.delete(settled));
  return promise;
}
