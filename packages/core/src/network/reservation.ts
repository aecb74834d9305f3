import { z } from "zod";
import { ConfigError, type ConfigIssue, HostError } from "../contract/errors.ts";
import { type Nic, NicSchema } from "../model/device/nic.ts";
import { EgressSchema } from "../model/egress.ts";
import { HostAccessSchema } from "../model/host-access.ts";
import { InterfaceNameSchema, NameSchema } from "../model/name.ts";
import type { Frozen } from "../model/same.ts";
import { hostInterfaceName, isHostInterface, nicMac } from "./names.ts";
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

/** The reservations of one instance on one network: `reservations/<uuid>.json`. */
export const ReservationSchema = z.strictObject({
  version: z.literal(1),
  /** The instance's name, which DNS resolves. */
  instance: NameSchema,
  uuid: z.string(),
  nics: z.array(ReservedNicSchema),
});
export type Reservation = Frozen<z.output<typeof ReservationSchema>>;

export interface ReservationRequest {
  readonly hostId: string;
  readonly owner: { readonly name: string; readonly uuid: string };
  /** The network's name. */
  readonly network: string;
  readonly subnet: Subnet;
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
  if (plan.issues.length > 0) throw new ConfigError("instance config", plan.issues);
  for (const choose of [plan.keptAddress, plan.freeAddress])
    for (const [device] of nics) addresses.set(device, addresses.get(device) ?? choose(device));
  return {
    version: 1,
    instance: owner.name,
    uuid: owner.uuid,
    nics: nics.map(([device, { filter, egress, host }]) => ({
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

class Plan {
  readonly issues: ConfigIssue[] = [];
  readonly #request: ReservationRequest;
  readonly #addresses = new Map<number, string>();
  readonly #macs = new Map<string, string>();

  constructor(request: ReservationRequest) {
    this.#request = request;
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
