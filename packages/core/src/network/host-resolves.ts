import { existsSync } from "node:fs";

/**
 * Whether the host has resolvers to pass questions on to. /etc/resolv.conf often is a link to what systemd-resolved
 * writes, and leads nowhere while that is gone: dnsmasq does not start then, unless told not to read it.
 */
export function hostResolves(): boolean {
  return existsSync("/etc/resolv.conf");
}
