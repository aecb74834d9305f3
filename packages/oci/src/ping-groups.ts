import { type Idmap, mapLines } from "@pileus/core/driver";

/**
 * The value of `net.ipv4.ping_group_range` that lets every group ping: the first and the last group, as ids inside. The
 * kernel compares the groups of the host, and refuses a first id that is greater than the last one inside, too:
 * linux/net/ipv4/sysctl_net_ipv4.c, ipv4_ping_group_range(). Where both cannot be had, some of the extra groups cannot
 * ping.
 */
export function pingGroups(idmap: Idmap | undefined): string {
  if (idmap === undefined) return `0 ${2 ** 31 - 1}`;
  const lines = mapLines(idmap, "gid").toSorted((a, b) => a.outside - b.outside);
  const { inside = 0, count = 1 } = lines.at(-1) ?? {};
  const last = inside + count - 1;
  return `${lines.find((line) => line.inside <= last)?.inside ?? 0} ${last}`;
}
