import type { Abortable } from "../contract/abortable.ts";
import type { AnyDriver, HostReport } from "../driver/backend.ts";
import type { ImageSourcePlugin } from "../driver/image-source.ts";
import { IdRanges } from "../idmap/id-ranges.ts";
import { type Engine, type OpenDriver, track } from "./engine.ts";
import { EventBus } from "./events.ts";
import { gateBackend } from "./gate/gate.ts";
import { hostId } from "./host-id.ts";
import type { Layout } from "./layout.ts";
import { Lifetimes } from "./lifetimes.ts";
import type { ImageStore, ImageUsers, NetworkManager } from "./ports.ts";
import { Records } from "./records.ts";
import { keepNetworksUp } from "./restore-networks.ts";
import { makeRootFolders, rootError } from "./root-folder.ts";
import { endExpired } from "./verbs/expire.ts";
import { allRecords } from "./verbs/list.ts";

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
    networks: await parts.openNetworks({ folder: layout.networks, hostId: id }),
    ids: parts.ids ?? new IdRanges(),
    events: new EventBus(() => keepNetworksUp(engine)),
    instances: new Map(),
    lifetimes: new Lifetimes((name) => track(engine, endExpired(engine, name)), closing),
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
