import { createHash } from "node:crypto";

// Every name here is derived, not stored, so a process after a crash derives the same.

function hex(digits: number, ...words: readonly string[]): string {
  return createHash("sha256").update(words.join("\0")).digest("hex").slice(0, digits);
}

// IEEE 802: the second lowest bit of the first octet says locally administered, the lowest says group.
function localMac(...words: readonly string[]): string {
  return `02:${hex(10, ...words)
    .match(/../g)
    ?.join(":")}`;
}

/** The hardware address of a nic for which the caller named none. */
export function nicMac(uuid: string, device: string): string {
  return localMac("nic", uuid, device);
}

/**
 * The hardware address of a bridge, set when it is made. It keeps the bridge from taking its lowest port's address,
 * which would change while instances use it, and it marks the bridge as ours from its first moment; the alias comes
 * later.
 */
export function bridgeMac(hostId: string, network: string): string {
  return localMac("bridge", hostId, network);
}

/** The alias of interfaces that we make: `ip link` shows which root they belong to. */
export function ownerAlias(hostId: string): string {
  return `pileus:${hostId}`;
}

/** The name of the host's end of a nic: 15 characters, the most for an interface (IFNAMSIZ less the NUL, if.h). */
export function hostInterfaceName(hostId: string, uuid: string, device: string): string {
  return `pil${hex(12, hostId, uuid, device)}`;
}

/** Whether {@link hostInterfaceName} can have made the name. */
export function isHostInterface(name: string): boolean {
  return /^pil[0-9a-f]{12}$/.test(name);
}

/** The table of a network's rules. nft(8): identifiers have the characters that interface names have. */
export function tableName(network: string): string {
  return `pileus_${network}`;
}
