import { readFile, writeFile } from "node:fs/promises";
import { HostError } from "../contract/errors.ts";

/** Whether the host speaks no IPv6 on an interface: also where its kernel speaks none at all. */
export async function isIpv6Off(name: string): Promise<boolean> {
  try {
    return (await readFile(settingOf(name), "latin1")).trim() === "1";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

/**
 * Has the host speak no IPv6 on an interface, and forget addresses and routes that it took by it (kernel,
 * ip-sysctl.rst, `disable_ipv6`). Idempotent. What is only bridged, between its ports, goes on.
 *
 * A host accepts router advertisements on every interface unless told otherwise: on a bridge, any instance could make
 * itself the host's default route (as in CVE-2020-13401). @throws {HostError}
 */
export async function turnIpv6Off(name: string): Promise<void> {
  if (await isIpv6Off(name)) return;
  try {
    await writeFile(settingOf(name), "1\n");
  } catch (cause) {
    const need = {
      need: `sysctl:net/ipv6/conf/${name}/disable_ipv6`,
      reason: `${cause}`,
      fix: "mount /proc/sys for writing, or run `sysctl -w net.ipv6.conf.default.disable_ipv6=1`",
    };
    throw new HostError(`keep IPv6 off bridge "${name}"`, [need], { cause });
  }
}

function settingOf(name: string): string {
  return `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
}
