import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { NicAttachment } from "../contract/nic-attachment.ts";
import type { Abortable } from "../flow/abortable.ts";
import type { Nic } from "../model/device/nic.ts";
import type { NetworkConfig } from "../model/network.ts";
import { refuseNewer } from "../model/stored.ts";
import { namesIn } from "../system/folder-entries.ts";
import { makeFolders } from "../system/make-folders.ts";
import { readIfThereSync } from "../system/read-if-there.ts";
import { replaceFile } from "../system/replace-file.ts";
import type { Spawn } from "../system/spawn.ts";
import { type BridgeState, bridgeState, raiseBridge, readRoutes } from "./bridge.ts";
import { assertUsableSubnet, takenByRoutes } from "./choose-subnet.ts";
import { readDefinition, readStored, unlessDamaged, whyNewer, writeDefinition } from "./definition.ts";
import { DnsmasqServer } from "./dnsmasq-server.ts";
import { applyFirewall, type FirewallFacts, isFirewallApplied, removeFirewall } from "./firewall.ts";
import { enableForwarding, isForwarding } from "./forwarding.ts";
import { turnIpv6Off } from "./ipv6.ts";
import { bridgePorts, interfaceNames, joinBridge, type LinkOptions, removeInterface } from "./link.ts";
import { bridgeMac, isHostInterface } from "./names.ts";
import type { NicOwner } from "./network-manager.ts";
import { planReservation, type Reservation, ReservationSchema } from "./reservation.ts";
import { parseSubnet, renderAddress } from "./subnet.ts";

export interface ManagedNetworkOptions {
  readonly name: string;
  /** The network's own folder, which need not exist. */
  readonly folder: string;
  /** The folder that its server reads, outside of the host's root. */
  readonly served: string;
  readonly hostId: string;
  readonly spawn: Spawn;
}

const BRIDGE_FAULTS: Readonly<Record<BridgeState, string | undefined>> = {
  absent: "it has no bridge",
  foreign: "an interface that this root did not make has its name",
  down: "its bridge is down or not complete",
  up: undefined,
};

const PART_FAULTS = [
  "its rules are not in the host's firewall",
  "the host does not forward IPv4, or not from its bridge",
  "its DHCP and DNS server does not run, or not as it should",
] as const;

/**
 * One network: its files and what it has on the machine. It takes no locks: call functions that change something under
 * the network's lock, and {@link raise} and {@link tearDown} also under the machine's.
 */
export class ManagedNetwork {
  readonly name: string;
  readonly folder: string;
  readonly #hostId: string;
  readonly #spawn: Spawn;
  readonly #server: DnsmasqServer;

  constructor(options: ManagedNetworkOptions) {
    this.name = options.name;
    this.folder = options.folder;
    this.#hostId = options.hostId;
    this.#spawn = options.spawn;
    const { folder, served, spawn, name, hostId } = options;
    this.#server = new DnsmasqServer({ folder, served, spawn, cgroup: `pileus-${hostId}-${name}.dnsmasq` });
  }

  definition(): Promise<NetworkConfig | undefined> {
    return readDefinition(this.#definitionPath);
  }

  /** Whether everything works. Starts no process for a network without a bridge or a server. */
  async isUp(config: NetworkConfig, options: Abortable = {}): Promise<boolean> {
    return (await this.#looksUp(config)) && (await this.faults(config, options)).length === 0;
  }

  /** Whether the bridge is up with its address and the server runs. */
  async #looksUp(config: NetworkConfig): Promise<boolean> {
    // proc_net(5), `route`: lists a network only while its interface is up; addresses are hexadecimal in the host's
    // byte order.
    const routes = readIfThereSync("/proc/self/net/route") ?? "";
    const { first } = parseSubnet(config.ipv4.address);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(first);
    const line = `${this.name}\t${bytes.toString("hex").toUpperCase()}\t`;
    return routes.split("\n").some((route) => route.startsWith(line)) && (await this.#server.find()) !== undefined;
  }

  /** The parts that do not work, in words: bridge, rules, forwarding, server. Empty if the network is whole. */
  async faults(config: NetworkConfig, options: Abortable = {}): Promise<readonly string[]> {
    const [bridge, ...parts] = await Promise.all([
      this.bridge(options, config.ipv4.address),
      this.#firewall(config).then((facts) => isFirewallApplied(facts, this.#listedRules, this.#spawn, options)),
      isForwarding(this.name),
      this.#server.isCurrent(config),
    ]);
    return [BRIDGE_FAULTS[bridge], ...parts.map((works, part) => (works ? undefined : PART_FAULTS[part]))].filter(
      (fault) => fault !== undefined,
    );
  }

  bridge(options: Abortable = {}, address = ""): Promise<BridgeState> {
    const facts = { name: this.name, hostId: this.#hostId, ipv4: { address } };
    return bridgeState(facts, { ...options, spawn: this.#spawn });
  }

  /** Writes the definition, with its address. */
  async define(config: NetworkConfig): Promise<void> {
    makeFolders(join(this.folder, "reservations"), 0o700);
    await writeDefinition(this.#definitionPath, config);
  }

  /**
   * Sets up whatever does not work. Idempotent. @throws {AlreadyExistsError} if a foreign interface has the name.
   */
  async raise(config: NetworkConfig, options: Abortable = {}): Promise<void> {
    this.#assertMayChange("bring up");
    const facts = { ...config, hostId: this.#hostId };
    const link = { ...options, spawn: this.#spawn };
    const state = await bridgeState(facts, link);
    if (state === "absent") assertUsableSubnet(config.ipv4.address, takenByRoutes(await readRoutes(link), this.name));
    await raiseBridge(facts, state, link);
    await enableForwarding(this.name);
    await applyFirewall(await this.#firewall(config), this.#listedRules, this.#spawn, options);
    const reservations = await this.#readable();
    await this.#server.ensure(config, reservations);
    if (state === "absent") await this.#rejoin(reservations, link);
    await this.turnPortsIpv6Off();
    options.signal?.throwIfAborted();
  }

  /** An instance that boots again by itself gets new interfaces, which have the kernel's defaults. */
  async turnPortsIpv6Off(): Promise<void> {
    for (const port of (await bridgePorts(this.name)).filter(isHostInterface)) await turnIpv6Off(port);
  }

  /** Puts the nics of running instances on a bridge that was made anew. */
  async #rejoin(reservations: readonly Reservation[], options: LinkOptions): Promise<void> {
    const present = await interfaceNames();
    for (const { nics } of reservations)
      for (const { hostInterface } of nics)
        if (present.has(hostInterface)) await joinBridge(hostInterface, this.name, options);
  }

  /**
   * Removes what the network has on the machine: server, rules, bridge. Idempotent; leaves a foreign interface alone.
   */
  async tearDown(): Promise<void> {
    this.#assertMayChange("take down");
    await this.#server.stop();
    // A table has the name of its bridge, so it is foreign too then.
    if ((await this.bridge()) === "foreign") return;
    await removeFirewall(this.name, this.#spawn);
    await removeInterface(this.name, { spawn: this.#spawn });
  }

  /** Removes the files, the definition last, so that an interrupted removal can be repeated. */
  async remove(): Promise<void> {
    for (const entry of await namesIn(this.folder))
      if (entry !== "network.json") await rm(join(this.folder, entry), { recursive: true, force: true });
    await rm(this.folder, { recursive: true, force: true });
  }

  async reservations(): Promise<readonly Reservation[]> {
    const found: Reservation[] = [];
    for (const uuid of await this.holders()) {
      const reservation = await this.reservation(uuid);
      if (reservation !== undefined) found.push(reservation);
    }
    return found;
  }

  /** The reservations that can be read. One that cannot be read keeps only its own instance from the network. */
  async #readable(): Promise<readonly Reservation[]> {
    const held = await Promise.all((await this.holders()).map((uuid) => unlessDamaged(this.reservation(uuid))));
    return held.filter((reservation) => reservation !== undefined);
  }

  async #firewall(config: NetworkConfig): Promise<FirewallFacts> {
    const nics = (await this.#readable()).flatMap(({ nics }) => nics);
    return { ...config, mac: bridgeMac(this.#hostId, this.name), nics, unknown: await this.#unknownPorts(nics) };
  }

  /** Interfaces of ours on the bridge that no readable reservation names. Nobody knows which addresses are theirs. */
  async #unknownPorts(nics: Reservation["nics"]): Promise<readonly string[]> {
    const known = new Set(nics.map(({ hostInterface }) => hostInterface));
    return (await bridgePorts(this.name)).filter((port) => isHostInterface(port) && !known.has(port));
  }

  /** Updates the filter to the present reservations. A network that is down gets it when it is raised. */
  async #filter(config: NetworkConfig): Promise<void> {
    if (!(await this.#looksUp(config))) return;
    await applyFirewall(await this.#firewall(config), this.#listedRules, this.#spawn);
  }

  async reservation(uuid: string): Promise<Reservation | undefined> {
    return readStored(this.#reservationPath(uuid), ReservationSchema.extend({ uuid: z.literal(uuid) }));
  }

  /** Which files of this network cannot be read, and which interfaces are cut off therefore, one text for each. */
  async damage(): Promise<readonly string[]> {
    const holders = await this.holders();
    const reads = [this.definition(), ...holders.map((uuid) => this.reservation(uuid))];
    const failures = (await Promise.allSettled(reads)).filter((result) => result.status === "rejected");
    const known = (await this.#readable()).flatMap(({ nics }) => nics);
    const files = [this.#definitionPath, ...holders.map((uuid) => this.#reservationPath(uuid))];
    return [
      ...files.map(whyNewer).filter((reason) => reason !== undefined),
      ...failures.map(({ reason }) => (reason instanceof Error ? reason.message : String(reason))),
      ...(await this.#unknownPorts(known)).map(
        (port) =>
          `no reservation that can be read names ${port}, the interface of an instance: restore the file, or delete the ` +
          "instance; until then the network drops what it sends",
      ),
    ];
  }

  /** Reserves for one instance's nics on this network, and replaces earlier reservations. Returns the undo function. */
  async reserve(
    config: NetworkConfig,
    owner: NicOwner,
    nics: readonly (readonly [string, Nic])[],
  ): Promise<() => Promise<void>> {
    const all = await this.reservations();
    const held = all.find(({ uuid }) => uuid === owner.uuid);
    const others = all.filter(({ uuid }) => uuid !== owner.uuid);
    const subnet = parseSubnet(config.ipv4.address);
    const [network, hostId] = [this.name, this.#hostId];
    const plan = planReservation({ hostId, network, egress: config.egress, owner, subnet, nics, held, others });
    await this.#keep(config, plan, held);
    return () => (held === undefined ? this.release(owner.uuid) : this.#keep(config, held, plan));
  }

  /** Serves the addresses of one instance under its present name. Idempotent, also after a call that was cut short. */
  async rename(config: NetworkConfig, { name, uuid }: NicOwner): Promise<void> {
    const held = await this.reservation(uuid);
    if (held === undefined) return;
    const renamed = { ...held, instance: name };
    if (held.instance !== name) await this.#write(renamed);
    // What runs for a later release is left to that release: a rename that it refused changed nothing.
    else if ([this.#definitionPath, this.#reservationPath(uuid)].some((path) => whyNewer(path) !== undefined)) return;
    // Also if the reservation had the name already: its server may not.
    await this.#server.serve(config, renamed, true);
  }

  /** Releases the reservations of one instance, and removes the host's ends of its nics. Idempotent. */
  async release(uuid: string): Promise<void> {
    const held = await this.reservation(uuid);
    if (held === undefined) return;
    this.#assertMayChange("release addresses of", this.#reservationPath(uuid));
    for (const nic of held.nics) await removeInterface(nic.hostInterface, { spawn: this.#spawn });
    // What runs for a network of a later release is left to that release.
    const config = whyNewer(this.#definitionPath) === undefined ? await this.definition() : undefined;
    if (config !== undefined) await this.#server.forget(config, held);
    await rm(this.#reservationPath(uuid), { force: true });
    if (config !== undefined) await this.#filter(config);
  }

  async #keep(config: NetworkConfig, reservation: Reservation, before: Reservation | undefined): Promise<void> {
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(reservation)) return;
    await this.#write(reservation);
    await this.#filter(config);
    await this.#server.serve(config, reservation, before !== undefined);
  }

  async #write(reservation: Reservation): Promise<void> {
    const path = this.#reservationPath(reservation.uuid);
    for (const file of [this.#definitionPath, path]) this.#assertMayChange("reserve addresses on", file);
    await replaceFile(path, `${JSON.stringify(reservation, undefined, 2)}\n`);
  }

  /** @throws {HostError} if a later release wrote the file, by default the definition. */
  #assertMayChange(verb: string, path = this.#definitionPath): void {
    const reason = whyNewer(path);
    if (reason !== undefined) throw refuseNewer(`${verb} network "${this.name}"`, reason);
  }

  /** The instances with reservations here, by UUID. */
  async holders(): Promise<readonly string[]> {
    const files = await namesIn(join(this.folder, "reservations"));
    // Other names are temporary files that a crash left.
    return files.filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  }

  /** How nft lists the rules. */
  get #listedRules(): string {
    return join(this.folder, "nftables.listed");
  }

  get #definitionPath(): string {
    return join(this.folder, "network.json");
  }

  #reservationPath(uuid: string): string {
    return join(this.folder, "reservations", `${uuid}.json`);
  }
}

/** The attachment that a driver gets for a reservation. */
export function attachmentsOf(config: NetworkConfig, reservation: Reservation): readonly NicAttachment[] {
  const { address, prefix } = parseSubnet(config.ipv4.address);
  const gateway = renderAddress(address);
  return reservation.nics.map((nic) => ({
    device: nic.device,
    network: config.name,
    bridge: config.name,
    hostInterface: nic.hostInterface,
    mac: nic.mac,
    ipv4: { address: nic.address, prefix, gateway },
    dns: { servers: [gateway], domain: config.dns.domain },
  }));
}
