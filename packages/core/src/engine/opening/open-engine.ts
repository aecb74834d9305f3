import type { AnyDriver } from "../../contract/backend.ts";
import type { ImageSourcePlugin } from "../../contract/image-source.ts";
import type { HostReport } from "../../contract/report.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { IdRanges } from "../../idmap/id-ranges.ts";
import type { ImageStore, ImageUsers } from "../../images/image-store.ts";
import type { NetworkManager } from "../../network/network-manager.ts";
import { HostEvents } from "../events/host-events.ts";
import { gateBackend } from "../gate/gate.ts";
import { gateNetworks } from "../gate/gate-networks.ts";
import type { Engine } from "../instance/engine.ts";
import { Lifetimes } from "../instance/lifetimes.ts";
import { type OpenDriver, track } from "../instance/shared.ts";
import { allRecords } from "../record/all-records.ts";
import { Records } from "../record/records.ts";
import { hostId } from "../root/host-id.ts";
import type { Layout } from "../root/layout.ts";
import { makeRootFolders, rootError } from "../root/root-folder.ts";
import { endExpired } from "../verbs/expire.ts";
import { keepNetworksUp } from "./restore-networks.ts";

/** Opens the parts of a host that are outside the engine. */
export interface EngineParts {
  openImages(options: {
    readonly folder: string;
    /** The image sources of the drivers. */
    readonly plugins: readonly ImageSourcePlugin[];
    readonly users: ImageUsers;
    readonly signal: AbortSignal | undefined;
  }): Promise<ImageStore>;
  openNetworks(options: { readonly folder: string; readonly hostId: string }): Promise<NetworkManager>;
  /** Default: those of this machine. */
  readonly ids?: IdRanges | undefined;
  probeNetworks(options: Abortable): Promise<Omit<HostReport, "usable">>;
}

/**
 * Creates the missing folders of the root, and assembles the engine.
 *
 * @throws {ConfigError} when the root cannot be a folder. @throws {HostError} when this user may not write there.
 */
export async function openEngine(
  layout: Layout,
  drivers: readonly AnyDriver[],
  parts: EngineParts,
  options: { readonly signal: AbortSignal | undefined; readonly closing: AbortSignal },
): Promise<Engine> {
  const { signal, closing } = options;
  const id = await openRoot(layout, signal);
  const records = new Records(layout);
  const users: ImageUsers = async (fingerprint) =>
    (await allRecords(layout, records))
      .filter((record) => record.image.fingerprint === fingerprint)
      .map((record) => record.config.name);
  const engine: Engine = {
    layout,
    records,
    drivers: new Map(
      drivers.map((driver): [string, OpenDriver] => [
        driver.name,
        {
          driver,
          backend: gateBackend(driver.name, driver.open({ folder: layout.driver(driver.name), hostId: id })),
        },
      ]),
    ),
    images: await parts.openImages({
      folder: layout.images,
      plugins: drivers.flatMap((driver) => driver.sources ?? []),
      users,
      signal,
    }),
    networks: gateNetworks(await parts.openNetworks({ folder: layout.networks, hostId: id })),
    ids: parts.ids ?? new IdRanges(),
    events: new HostEvents({
      folder: layout.journal,
      // The key of an instance of an early release is its first name.
      find: ({ uuid }) =>
        engine.instances.get(uuid) ?? [...engine.instances.values()].find((known) => known.uuid === uuid),
      onWatched: () => keepNetworksUp(engine),
      closing,
    }),
    instances: new Map(),
    lifetimes: new Lifetimes((name) => track(engine, endExpired(engine, name)), closing),
    undoings: new Map(),
    closing,
    work: new Set(),
  };
  return engine;
}

/** Returns the identity of the root. */
async function openRoot(layout: Layout, signal: AbortSignal | undefined): Promise<string> {
  try {
    await makeRootFolders(layout);
    return await hostId(layout.identity, layout.hostLock, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw rootError(layout.root, error);
  }
}
