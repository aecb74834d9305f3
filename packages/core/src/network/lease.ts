import { createSocket } from "node:dgram";
import { once } from "node:events";
import { parseAddress } from "./subnet.ts";

/** A lease that dnsmasq has given. */
export interface Lease {
  readonly mac: string;
  readonly address: string;
}

/** The IPv4 leases in the text of dnsmasq's lease file: expiry, hardware address, address, name, client ID. */
export function parseLeases(text: string): readonly Lease[] {
  return text.split("\n").flatMap((line) => {
    const [, mac, address] = line.split(" ");
    return mac === undefined || address === undefined ? [] : [{ mac, address }];
  });
}

/** The lease file's text without the leases for which `ended` is true. */
export function withoutLeases(text: string, ended: (lease: Lease) => boolean): string {
  return text
    .split("\n")
    .filter((line) => !parseLeases(line).some(ended))
    .join("\n");
}

/** A DHCPRELEASE, as the client with the lease would send it. RFC 2131, section 4.4.6 and table 5. */
export function renderDhcpRelease(lease: Lease, server: string): Uint8Array {
  const ciaddr = 12;
  const chaddr = 28;
  const options = 236;
  const packet = Buffer.alloc(options + 14);
  packet.set([1, 1, 6], 0); // BOOTREQUEST, Ethernet, six octets
  packet.writeUInt32BE(parseAddress(lease.address), ciaddr);
  packet.set(
    lease.mac.split(":").map((octet) => Number.parseInt(octet, 16)),
    chaddr,
  );
  packet.writeUInt32BE(0x63825363, options); // RFC 2131, section 3: the magic cookie
  packet.set([53, 1, 7, 54, 4], options + 4); // RFC 2132: message type DHCPRELEASE; server identifier
  packet.writeUInt32BE(parseAddress(server), options + 9);
  packet[options + 13] = 255;
  return packet;
}

/**
 * Tells the server, on this machine, that leases have ended. The packets go from the server's own address to the same
 * address: then Linux shows the bridge as the interface of arrival, and the server requires that.
 */
export async function sendDhcpReleases(leases: readonly Lease[], server: string): Promise<void> {
  const socket = createSocket("udp4");
  try {
    socket.bind(0, server);
    await once(socket, "listening");
    for (const lease of leases)
      await new Promise<void>((resolve, reject) => {
        socket.send(renderDhcpRelease(lease, server), 67, server, (error) =>
          error === null ? resolve() : reject(error),
        );
      });
  } finally {
    socket.close();
  }
}
