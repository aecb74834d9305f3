import { z } from "zod";
import { ConfigError } from "../errors/all.ts";
import { overlaps, parseSubnet, renderAddress, renderNetwork, type Subnet, seededStart } from "./subnet.ts";

/** One line of `ip -j -4 route show`, with the fields that are used here. */
export const RouteSchema = z.object({
  /** `default`, an address, or a network. */
  dst: z.string(),
  dev: z.string().optional(),
  gateway: z.string().optional(),
  /** A router with an IPv6 address. */
  via: z.unknown().optional(),
  /** Several routers. */
  nexthops: z.unknown().optional(),
  /** Absent where packets go somewhere: `unreachable`, `blackhole`, `prohibit`. */
  type: z.string().optional(),
  /** Absent for the main table. */
  table: z.string().optional(),
});
export type Route = z.output<typeof RouteSchema>;

/** A network that the machine already has, and where it was seen. */
export interface TakenSubnet {
  readonly subnet: Subnet;
  /** For the message: `the route to 10.0.0.0/8 by eth0`. */
  readonly where: string;
  /** Whether it lies behind a router, so that a smaller network can be carved out of it on purpose. */
  readonly routed: boolean;
}

/**
 * A route with a shorter prefix is a piece of a default route: VPN clients add `0.0.0.0/1` and `128.0.0.0/1`, so that
 * the default route itself can stay (openvpn(8), `redirect-gateway def1`). The route to a network of ours is more
 * specific, so it goes first.
 */
const SHORTEST_PREFIX = 8;

/** The networks of the machine's routes, without those of the bridge `except` and the default route. */
export function takenByRoutes(routes: readonly Route[], except: string): readonly TakenSubnet[] {
  return routes
    .filter((route) => route.dst !== "default" && route.dev !== except)
    .map((route) => ({
      subnet: parseSubnet(route.dst),
      where: `the route to ${route.dst}${route.dev === undefined ? "" : ` by ${route.dev}`}`,
      routed: [route.gateway, route.via, route.nexthops, route.type].some((way) => way !== undefined),
    }))
    .filter(({ subnet }) => subnet.prefix >= SHORTEST_PREFIX);
}

/**
 * Where networks are chosen, in this order: RFC 1918's 10/8 without the low quarter that home routers, clouds and
 * container engines begin with; then, for a machine whose VPN leads to all of 10/8, the rest of RFC 1918.
 */
const POOLS = ["10.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"].map(parseSubnet);

/**
 * Chooses the bridge's address in a free /24 of {@link POOLS}. `seed` decides where the search begins, so that two roots
 * on one machine seldom choose the same.
 *
 * @throws {ConfigError} when there is none.
 */
export function chooseSubnet(taken: readonly TakenSubnet[], seed: string): string {
  for (const pool of POOLS) {
    const count = 2 ** (24 - pool.prefix);
    const start = seededStart(count, seed);
    for (let i = 0; i < count; i++) {
      const first = pool.first + ((start + i) % count) * 256;
      const text = `${renderAddress(first + 1)}/24`;
      if (!taken.some((other) => overlaps(other.subnet, parseSubnet(text)))) return text;
    }
  }
  throw new ConfigError("network config", [
    {
      path: ["ipv4", "address"],
      message: `no /24 of ${POOLS.map(renderNetwork).join(", ")} is free on this host: give an address`,
    },
  ]);
}

/**
 * Checks an address that the caller chose: a bridge's address with room beside it, in a network that is free. A small
 * network inside a bigger one behind a router is allowed, because the caller named it on purpose.
 *
 * @throws {ConfigError} with the network that it collides with.
 */
export function assertUsableSubnet(text: string, taken: readonly TakenSubnet[]): void {
  const subnet = parseSubnet(text);
  const message = faultOf(subnet, taken);
  if (message !== undefined) throw new ConfigError("network config", [{ path: ["ipv4", "address"], message }]);
}

function faultOf(subnet: Subnet, taken: readonly TakenSubnet[]): string | undefined {
  if (subnet.prefix < SHORTEST_PREFIX || subnet.prefix > 30)
    return "the prefix must be 8 to 30 bits: the bridge and an instance need room";
  if (subnet.address === subnet.first || subnet.address === subnet.last)
    return `the bridge needs an address within the network, such as ${renderAddress(subnet.first + 1)}/${subnet.prefix}`;
  if (subnet.first >= 0xe0000000 || subnet.first < 0x01000000 || overlaps(subnet, parseSubnet("127.0.0.0/8")))
    return "not an address that a host can have";
  const other = taken.find((t) => overlaps(t.subnet, subnet) && !(t.routed && t.subnet.prefix < subnet.prefix));
  return other === undefined ? undefined : `${renderNetwork(subnet)} overlaps ${other.where}: choose another`;
}
