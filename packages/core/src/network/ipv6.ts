import { readFile, writeFile } from "node:fs/promises";
import { HostError } from "../errors/all.ts";

/**
 * The settings that keep IPv6 off an interface (kernel, ip-sysctl.rst). The first is enough until a VPN script writes
 * to `net.ipv6.conf.all.disable_ipv6`, which changes the first on every interface; then the second still holds.
 */
const SETTINGS = [
  ["disable_ipv6", "1"],
  ["accept_ra", "0"],
] as const;

/** Whether the host speaks no IPv6 on an interface; true if its kernel has no IPv6 at all. */
export async function isIpv6Off(name: string): Promise<boolean> {
  for (const [setting, value] of SETTINGS) {
    try {
      if ((await readFile(pathOf(name, setting), "latin1")).trim() !== value) return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return true;
}

/**
 * Turns IPv6 off for the host on an interface, and removes addresses and routes that it took there. Idempotent. Frames
 * between the ports of a bridge still pass. Does nothing if there is no such interface.
 *
 * A host accepts router advertisements on every interface unless told otherwise: on a bridge, any instance could make
 * itself the host's default route (as in CVE-2020-13401), and on the port of a bridge by frames that the bridge does not
 * take. @throws {HostError}
 */
export async function turnIpv6Off(name: string): Promise<void> {
  if (await isIpv6Off(name)) return;
  for (const [setting, value] of SETTINGS) {
    try {
      await writeFile(pathOf(name, setting), `${value}\n`);
    } catch (cause) {
      // It can disappear at any moment: with its network namespace, or with a process that holds it.
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
      const need = {
        need: `sysctl:net/ipv6/conf/${name}/${setting}`,
        reason: `${cause}`,
        fix: `mount /proc/sys for writing, or run \`sysctl -w net.ipv6.conf.default.${setting}=${value}\``,
      };
      throw new HostError(`keep IPv6 off interface "${name}"`, [need], { cause });
    }
  }
}

function pathOf(name: string, setting: string): string {
  return `/proc/sys/net/ipv6/conf/${name}/${setting}`;
}
