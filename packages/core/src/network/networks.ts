import { join } from "node:path";
import type { NetworkInfo } from "../contract/networks.ts";
import type { NicAttachment } from "../contract/nic-attachment.ts";
import { InUseError, isInstanceError, NotFoundError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { allOrNothing } from "../flow/cleanup.ts";
import type { Devices } from "../model/device/device.ts";
import { NETWORK_HABITS } from "../model/habits.ts";
import { InterfaceNameSchema } from "../model/name.ts";
import {
  type NetworkConfig,
  type NetworkConfigInput,
  NetworkConfigSchema,
  type WantedNetwork,
} from "../model/network.ts";
import { parse } from "../model/parse.ts";
import { foldersIn } from "../system/folder-entries.ts";
import { spawnUnder } from "../system/lock.ts";
import { makeFolders } from "../system/make-folders.ts";
import { type Spawn, spawn } from "../system/spawn.ts";
import { foreignInterface, readRoutes } from "./bridge.ts";
import { byNetwork } from "./by-network.ts";
import { assertUsableSubnet, chooseSubnet, type TakenSubnet, takenByRoutes } from "./choose-subnet.ts";
import { assertSameNetwork, unlessDamaged } from "./definition.ts";
import { attachmentsOf, ManagedNetwork } from "./managed-network.ts";
import { NetworkLocks } from "./network-locks.ts";
import type { NetworkIssue, NetworkManager, NicOwner } from "./network-manager.ts";
import { requireNetworkTools } from "./probe.ts";
import { parseSubnet } from "./subnet.ts";
import { withinTimeout } from "./within-timeout.ts";

export interface OpenNetworksOptions {
  /** `root/networks`; made when the first network is. */
  readonly folder: string;
  /** Identifies this root on the machine: see {@link DriverContext.hostId}. */
  readonly hostId: string;
  readonly spawn?: Spawn | undefined;
  /**
   * The folder with the machine's lock and the files that servers read: every user may enter it, and a reboot empties
   * it. Default `/run`.
   */
  readonly runFolder?: string | undefined;
  /** How long a call waits for others that have the lock of a network, in milliseconds. Default two minutes. */
  readonly lockTimeout?: number | undefined;
}

/** The managed networks of a root. Opening changes nothing, and disposing leaves all networks up. */
export function openNetworks(options: OpenNetworksOptions): NetworkManager {
  return new ManagedNetworks(options);
}

class ManagedNetworks implements NetworkManager {
  readonly #folder: string;
  readonly #hostId: string;
  readonly #spawn: Spawn;
  readonly #runFolder: string;
  readonly #locks: NetworkLocks;
  /** Why networks could not be restored, by name. */
  readonly #failures = new Map<string, string>();

  constructor(options: OpenNetworksOptions) {
    this.#folder = options.folder;
    this.#hostId = options.hostId;
    this.#spawn = withinTimeout(options.spawn ?? spawn);
    this.#runFolder = options.runFolder ?? "/run";
    const { folder, lockTimeout: timeout } = options;
    this.#locks = new NetworkLocks({ folder, runFolder: this.#runFolder, timeout });
  }

  async create(input: NetworkConfigInput, options: Abortable = {}): Promise<NetworkInfo> {
    const wanted = parse(NetworkConfigSchema, input, "network config", NETWORK_HABITS);
    await requireNetworkTools(`create network "${wanted.name}"`);
    makeFolders(this.#folder, 0o700);
    return this.#locked(wanted.name, options, async (network) => {
      const defined = await network.definition();
      if (defined !== undefined) assertSameNetwork(defined, wanted);
      if (defined !== undefined) await this.#raise(network, defined, options);
      return { ...(defined ?? (await this.#make(network, wanted, options))), up: true };
    });
  }

  async get(name: string, options: Abortable = {}): Promise<NetworkInfo> {
    const info = isName(name) ? await this.#find(name, options) : undefined;
    if (info === undefined) throw noNetwork(name);
    return info;
  }

  async list(options: Abortable = {}): Promise<readonly NetworkInfo[]> {
    const found: NetworkInfo[] = [];
    for (const name of await this.#names()) {
      options.signal?.throwIfAborted();
      const info = await unlessDamaged(this.#find(name, options));
      if (info !== undefined) found.push(info);
    }
    return found;
  }

  async delete(name: string, options: Abortable = {}): Promise<void> {
    if (!(await this.#names()).includes(name)) return;
    await requireNetworkTools(`delete network "${name}"`);
    await this.#locked(name, options, async (network) => {
      const users = (await network.reservations()).map(({ instance }) => instance);
      if (users.length > 0) throw new InUseError("network", name, users);
      await this.#locks.onMachine(options, async () => {
        await network.tearDown();
        await network.remove();
      });
    });
  }

  async reserve(owner: NicOwner, devices: Devices, options: Abortable = {}): Promise<readonly NicAttachment[]> {
    const wanted = byNetwork(devices);
    for (const name of wanted.keys()) if (!(await this.#isDefined(name))) throw noNetwork(name);
    await allOrNothing(async (undo) => {
      for (const [name, nics] of wanted)
        await this.#locked(name, options, async (network) => {
          const undoReserve = await network.reserve(await defined(network), owner, nics);
          undo(() => this.#locked(name, {}, undoReserve));
        });
    });
    for (const name of await this.#holding(owner)) if (!wanted.has(name)) await this.#release(name, owner, options);
    return this.attachments(owner, options);
  }

  async attachments(owner: NicOwner, options: Abortable = {}): Promise<readonly NicAttachment[]> {
    const found: NicAttachment[] = [];
    for (const name of await this.#names()) {
      options.signal?.throwIfAborted();
      const network = this.#network(name);
      const reservation = await network.reservation(owner.uuid);
      if (reservation !== undefined) found.push(...attachmentsOf(await defined(network), reservation));
    }
    return found.sort((a, b) => (a.device < b.device ? -1 : 1));
  }

  async bringUp(owner: NicOwner, options: Abortable = {}): Promise<void> {
    const names = await this.#holding(owner);
    if (names.length > 0) await requireNetworkTools(`bring up the networks of instance "${owner.name}"`);
    for (const name of names)
      await this.#locked(name, options, async (network) => this.#raise(network, await defined(network), options));
  }

  async restore(uuids: ReadonlySet<string>, options: Abortable = {}): Promise<void> {
    const restoring = (await this.#names()).map(async (name) => {
      try {
        const network = this.#network(name);
        if (!(await network.holders()).some((uuid) => uuids.has(uuid))) return;
        await network.turnPortsIpv6Off();
        const isWhole = (await network.faults(await defined(network), options)).length === 0;
        // Checked again under the lock: another process may be raising it.
        if (!isWhole)
          await this.#locked(name, options, async (held) => this.#raise(held, await defined(held), options));
        this.#failures.delete(name);
      } catch (error) {
        this.#failures.set(name, error instanceof Error ? error.message : String(error));
      }
    });
    await Promise.all(restoring);
    options.signal?.throwIfAborted();
  }

  async rename(owner: NicOwner, options: Abortable = {}): Promise<void> {
    for (const name of await this.#holding(owner))
      await this.#locked(name, options, async (network) => network.rename(await defined(network), owner));
  }

  async release(owner: NicOwner, options: Abortable = {}): Promise<void> {
    for (const name of await this.#holding(owner)) await this.#release(name, owner, options);
  }

  async issues(): Promise<readonly NetworkIssue[]> {
    const found: NetworkIssue[] = [];
    for (const network of await this.#names()) {
      for (const reason of await this.#network(network).damage()) found.push({ network, reason });
      const faults = await this.#faults(network);
      if (faults.length > 0) found.push({ network, reason: this.#down(network, faults) });
    }
    return found;
  }

  /** Empty if the faults cannot be found out: the definition is damaged, or tools are missing. */
  async #faults(name: string): Promise<readonly string[]> {
    const network = this.#network(name);
    const config = await unlessDamaged(network.definition());
    return config === undefined ? [] : await unlessMissing(network.faults(config), []);
  }

  #down(network: string, faults: readonly string[]): string {
    const failure = this.#failures.get(network);
    const remedy = "the next start of an instance on it, or networks.create() with the same definition, brings it up";
    return `it is down: ${faults.join("; ")}: ${failure === undefined ? remedy : `it could not be raised: ${failure}`}`;
  }

  // No resource is held between calls: bridges and servers belong to the machine.
  async [Symbol.asyncDispose](): Promise<void> {}

  async #find(name: string, options: Abortable): Promise<NetworkInfo | undefined> {
    const network = this.#network(name);
    const config = await network.definition();
    return config === undefined ? undefined : { ...config, up: await isUp(network, config, options) };
  }

  async #isDefined(name: string): Promise<boolean> {
    return isName(name) && (await this.#network(name).definition()) !== undefined;
  }

  #release(name: string, owner: NicOwner, options: Abortable): Promise<void> {
    return this.#locked(name, options, (network) => network.release(owner.uuid));
  }

  /** Chooses the address and writes the definition; a failure leaves nothing. */
  async #make(network: ManagedNetwork, wanted: WantedNetwork, options: Abortable): Promise<NetworkConfig> {
    return this.#locks.onMachine(options, () =>
      allOrNothing(async (undo) => {
        if ((await network.bridge(options)) === "foreign") throw foreignInterface(wanted.name);
        // A network that the caller names need not keep clear of tables that may be for other traffic.
        const every = wanted.ipv4.address === undefined;
        const routes = await readRoutes({ ...options, spawn: this.#spawn, every });
        const taken = [...takenByRoutes(routes, wanted.name), ...(await this.#takenByOurs(wanted.name))];
        if (wanted.ipv4.address !== undefined) assertUsableSubnet(wanted.ipv4.address, taken);
        const address = wanted.ipv4.address ?? chooseSubnet(taken, `${this.#hostId}/${wanted.name}`);
        const config = { ...wanted, ipv4: { ...wanted.ipv4, address } };
        undo(() => network.remove());
        undo(() => network.tearDown());
        await network.define(config);
        await network.raise(config, options);
        return config;
      }),
    );
  }

  // After a reboot, other networks of this root can be down, and so have no route.
  async #takenByOurs(except: string): Promise<readonly TakenSubnet[]> {
    const taken: TakenSubnet[] = [];
    for (const name of await this.#names()) {
      // While a network with a damaged definition is up, the routes show its address.
      const config = name === except ? undefined : await unlessDamaged(this.#network(name).definition());
      if (config === undefined) continue;
      taken.push({ subnet: parseSubnet(config.ipv4.address), where: `network "${name}"`, routed: false });
    }
    return taken;
  }

  async #raise(network: ManagedNetwork, config: NetworkConfig, options: Abortable): Promise<void> {
    if ((await network.faults(config, options)).length > 0)
      await this.#locks.onMachine(options, () => network.raise(config, options));
  }

  async #holding(owner: NicOwner): Promise<readonly string[]> {
    const names: string[] = [];
    for (const name of await this.#names())
      if ((await this.#network(name).reservation(owner.uuid)) !== undefined) names.push(name);
    return names;
  }

  /** Every folder, also that of a network whose deletion was interrupted. */
  async #names(): Promise<readonly string[]> {
    return (await foldersIn(this.#folder)).filter(isName);
  }

  #network(name: string, run = this.#spawn): ManagedNetwork {
    return new ManagedNetwork({
      name,
      folder: join(this.#folder, name),
      served: join(this.#runFolder, `pileus-${this.#hostId}-${name}`),
      hostId: this.#hostId,
      spawn: run,
    });
  }

  /** The tools that `work` runs hold the lock too: they may outlive this process, and change the network afterwards. */
  #locked<T>(name: string, options: Abortable, work: (network: ManagedNetwork) => Promise<T>): Promise<T> {
    return this.#locks.onNetwork(name, options, (lock) => work(this.#network(name, spawnUnder(lock, this.#spawn))));
  }
}

function isName(name: string): boolean {
  return InterfaceNameSchema.safeParse(name).success;
}

/** Whether a network works; false if the tools that are needed to find out are missing. */
function isUp(network: ManagedNetwork, config: NetworkConfig, options: Abortable): Promise<boolean> {
  return unlessMissing(network.isUp(config, options), false);
}

/** The result of `promise`; `otherwise` if a tool of the host is missing. */
async function unlessMissing<T>(promise: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (isInstanceError(error, "ERR_HOST")) return otherwise;
    throw error;
  }
}

function noNetwork(name: string): NotFoundError {
  return new NotFoundError("network", name, { hint: "make it with networks.create()" });
}

async function defined(network: ManagedNetwork): Promise<NetworkConfig> {
  const config = await network.definition();
  if (config === undefined) throw new NotFoundError("network", network.name);
  return config;
}
