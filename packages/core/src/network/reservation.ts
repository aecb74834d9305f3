import { z } from "zod";
import { ConfigError, type ConfigIssue, HostError } from "../errors/all.ts";
import { type Nic, NicSchema } from "../model/device/nic.ts";
import { type EgressInput, EgressSchema, isLimited } from "../model/egress.ts";
import { HostAccessSchema } from "../model/host-access.ts";
import { loosened } from "../model/loosened.ts";
import { InterfaceNameSchema, NameSchema } from "../model/name.ts";
import { STORED } from "../model/stored.ts";
import type { Frozen } from "../terms/same.ts";
import { HEAD } from "./definition.ts";
import { bridgeMac, hostInterfaceName, isHostInterface, nicMac } from "./names.ts";
import { isHostAddress, parseAddress, renderAddress, renderNetwork, type Subnet, seededStart } from "./subnet.ts";

// As strict as its uses need: it becomes a line for dnsmasq, and the name of an interface that is removed.
const ReservedNicSchema = z.strictObject({
  device: InterfaceNameSchema,
  mac: NicSchema.shape.hwaddr.unwrap(),
  address: z.ipv4(),
  hostInterface: z.string().refine(isHostInterface),
  /** Absent where the nic is filtered. */
  filter: z.literal(false).optional(),
  egress: EgressSchema.optional(),
  host: HostAccessSchema.optional(),
});

/** The reservations of one instance on one network: `reservations/<uuid>.json`. Keys of another release are kept. */
export const ReservationSchema = loosened(
  z.strictObject({
    ...STORED,
    /** The instance's name, which DNS resolves. */
    instance: NameSchema,
    uuid: z.string(),
    nics: z.array(ReservedNicSchema),
  }),
);
export type Reservation = Frozen<z.output<typeof ReservationSchema>>;

export interface ReservationRequest {
  readonly hostId: string;
  readonly owner: { readonly name: string; readonly uuid: string };
  /** The network's name. */
  readonly network: string;
  readonly subnet: Subnet;
  /** The network's policy. */
  readonly egress?: EgressInput | undefined;
  /** The instance's nics on this network, by device name. */
  readonly nics: readonly (readonly [string, Nic])[];
  /** The present reservations of the same instance: kept as far as the nics still ask for them. */
  readonly held: Reservation | undefined;
  /** The reservations of the other instances. */
  readonly others: readonly Reservation[];
}

/**
 * Assigns addresses to nics; pure. An address that the configuration names is given or refused; others are chosen.
 *
 * @throws {ConfigError} naming each nic whose hardware address or address is taken, twice asked for or out of range.
 * @throws {HostError} when no address is free.
 */
export function planReservation(request: ReservationRequest): Reservation {
  const { owner, nics, hostId } = request;
  const plan = new Plan(request);
  const macs = new Map(nics.map(([device, nic]) => [device, plan.mac(device, nic.hwaddr)]));
  // Named addresses come first, then those held already, so that no nic gets by chance an address promised to another.
  const addresses = new Map(nics.map(([device, nic]) => [device, plan.fixedAddress(device, nic.ipv4?.address)]));
  for (const [device, { filter }] of nics) plan.policy(device, filter);
  if (plan.issues.length > 0) throw new ConfigError("instance config", plan.issues);
  for (const choose of [plan.keptAddress, plan.freeAddress])
    for (const [device] of nics) addresses.set(device, addresses.get(device) ?? choose(device));
  const { held } = request;
  return {
    ...HEAD,
    ...held,
    instance: owner.name,
    uuid: owner.uuid,
    nics: nics.map(([device, { filter, egress, host }]) => ({
      ...keysOfOthers(held?.nics.find((nic) => nic.device === device)),
      device,
      mac: macs.get(device) ?? nicMac(owner.uuid, device),
      address: renderAddress(addresses.get(device) ?? plan.freeAddress(device)),
      hostInterface: hostInterfaceName(hostId, owner.uuid, device),
      ...(filter === false ? { filter } : {}),
      ...(egress === undefined ? {} : { egress }),
      ...(host === undefined ? {} : { host }),
    })),
  };
}

/** What another release added to a nic. */
function keysOfOthers(nic: Reservation["nics"][number] | undefined): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(nic ?? {}).filter(([key]) => !(key in ReservedNicSchema.shape)));
}

class Plan {
  readonly issues: ConfigIssue[] = [];
  readonly #request: ReservationRequest;
  readonly #addresses = new Map<number, string>();
  readonly #macs = new Map<string, string>();

  constructor(request: ReservationRequest) {
    this.#request = request;
    this.#macs.set(bridgeMac(request.hostId, request.network), `the bridge of ${request.network}`);
    for (const { instance, nics } of request.others)
      for (const nic of nics) {
        this.#addresses.set(parseAddress(nic.address), `instance "${instance}"`);
        this.#macs.set(nic.mac, `instance "${instance}"`);
      }
  }

  mac(device: string, wanted: string | undefined): string {
    const mac = wanted ?? nicMac(this.#request.owner.uuid, device);
    const holder = this.#macs.get(mac);
    if (holder !== undefined) this.#refuse(device, "hwaddr", `${mac} is that of ${holder}`);
    this.#macs.set(mac, `device "${device}"`);
    return mac;
  }

  /** Without the filter, an instance may send from addresses to which another policy applies. */
  policy(device: string, filter: boolean | undefined): void {
    const { egress, network } = this.#request;
    if (filter === false && (isLimited(egress) || egress?.dns === false))
      this.#refuse(device, "filter", `${network} has an egress policy, which needs the filter: use another network`);
  }

  fixedAddress(device: string, wanted: string | undefined): number | undefined {
    if (wanted === undefined) return undefined;
    const address = parseAddress(wanted);
    const { subnet, network } = this.#request;
    const holder = this.#addresses.get(address);
    if (!isHostAddress(subnet, address))
      this.#refuse(
        device,
        "ipv4",
        `${wanted} cannot be the address of an instance on ${network}, ${renderNetwork(subnet)}`,
      );
    else if (holder !== undefined) this.#refuse(device, "ipv4", `${wanted} is that of ${holder}`);
    this.#addresses.set(address, `device "${device}"`);
    return address;
  }

  readonly keptAddress = (device: string): number | undefined => {
    const kept = this.#request.held?.nics.find((nic) => nic.device === device);
    return kept === undefined ? undefined : this.#take(device, parseAddress(kept.address));
  };

  readonly freeAddress = (device: string): number => {
    const { subnet, owner, network } = this.#request;
    const size = subnet.last - subnet.first - 1;
    const start = seededStart(size, owner.uuid, device);
    for (let i = 0; i < size; i++) {
      const address = this.#take(device, subnet.first + 1 + ((start + i) % size));
      if (address !== undefined) return address;
    }
    throw exhausted(network, subnet);
  };

  #take(device: string, address: number): number | undefined {
    if (!isHostAddress(this.#request.subnet, address) || this.#addresses.has(address)) return undefined;
    this.#addresses.set(address, `device "${device}"`);
    return address;
  }

  #refuse(device: string, key: string, message: string): void {
    this.issues.push({ path: ["devices", device, key], message });
  }
}

function exhausted(network: string, subnet: Subnet): HostError {
  return new HostError(`give an address on network "${network}"`, [
    {
      need: `address:${network}`,
      reason: `all of ${renderNetwork(subnet)} are reserved`,
      fix: "delete instances, or use a network with a shorter prefix",
    },
  ]);
}
