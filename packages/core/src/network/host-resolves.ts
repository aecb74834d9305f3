import { existsSync } from "node:fs";

/**
 * Whether the host has resolvers to which queries can be forwarded. /etc/resolv.conf is often a symlink to a file of
 * systemd-resolved, and dangles while that file is gone: then dnsmasq does not start unless it is told not to read it.
 */
export function hostResolves(): boolean {
  return existsSync("/etc/resolv.conf");
}
