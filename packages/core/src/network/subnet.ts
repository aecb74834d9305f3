import { createHash } from "node:crypto";

/** An IPv4 network and one address in it, as numbers: `10.90.0.1/24`. */
export interface Subnet {
  /** The address as it was written, host bits and all. */
  readonly address: number;
  /** The network's own address: all host bits zero. */
  readonly first: number;
  /** The broadcast address: all host bits one. */
  readonly last: number;
  /** Bits. */
  readonly prefix: number;
}

/** Reads `address/prefix`; a bare address is a /32. The text must be valid: schemas and `ip -j` ensure that. */
export function parseSubnet(text: string): Subnet {
  const [address = "", length = "32"] = text.split("/");
  const value = parseAddress(address);
  const prefix = Number(length);
  const size = 2 ** (32 - prefix);
  const first = value - (value % size);
  return { address: value, first, last: first + size - 1, prefix };
}

export function parseAddress(text: string): number {
  return text.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

export function renderAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** The broadcast address of the network that an address is in, as `10.90.0.255`; `prefix` in bits. */
export function broadcastAddress({ address, prefix }: { readonly address: string; readonly prefix: number }): string {
  return renderAddress(parseSubnet(`${address}/${prefix}`).last);
}

/** The network as `10.90.0.0/24`. */
export function renderNetwork(subnet: Subnet): string {
  return `${renderAddress(subnet.first)}/${subnet.prefix}`;
}

/** The mask as `255.255.255.0`. */
export function renderMask(subnet: Subnet): string {
  return renderAddress(2 ** 32 - 2 ** (32 - subnet.prefix));
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether an instance can have the address: it is in the network, and neither its first, its last nor the bridge's. */
export function isHostAddress(subnet: Subnet, address: number): boolean {
  return address > subnet.first && address < subnet.last && address !== subnet.address;
}

/**
 * A number below `bound` that looks random and is the same for the same words. Choices begin there and go on in order,
 * so a released address is seldom given out again at once, while neighbours still remember its former holder.
 */
export function seededStart(bound: number, ...words: readonly string[]): number {
  return createHash("sha256").update(words.join("\0")).digest().readUInt32BE(0) % bound;
}
