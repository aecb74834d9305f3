import { SocketAddress } from "node:net";

/**
 * The first address of the network that has this address and this prefix, in bits: `10.0.0.0` for `10.0.0.1` and 8. The
 * address is valid, as inet_ntop(3) writes it; so is the result.
 */
export function networkAddress(address: string, family: "ip" | "ip6", prefix: number): string {
  const bytes = family === "ip" ? quad(address) : sixteen(address);
  const masked = bytes.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * index))) & 0xff);
  if (family === "ip") return masked.join(".");
  const groups = Array.from({ length: 8 }, (_, group) =>
    ((masked[2 * group] ?? 0) * 256 + (masked[2 * group + 1] ?? 0)).toString(16),
  );
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}

const quad = (address: string) => address.split(".").map(Number);

function sixteen(address: string): number[] {
  const [first = [], last = []] = address.split("::").map(bytes);
  return [...first, ...Array.from({ length: 16 - first.length - last.length }, () => 0), ...last];
}

/** Of groups of IPv6, of which the last may be an address of IPv4. */
function bytes(groups: string): number[] {
  return groups
    .split(":")
    .filter((group) => group !== "")
    .flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return group.includes(".") ? quad(group) : [value >> 8, value & 0xff];
    });
}
