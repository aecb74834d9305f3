import { readFile, writeFile } from "node:fs/promises";
import { HostError } from "../errors/all.ts";

const PATH = "/proc/sys/net/ipv4/ip_forward";

/** Whether the machine forwards IPv4 between interfaces. */
export async function isForwarding(): Promise<boolean> {
  return (await readFile(PATH, "latin1")).trim() === "1";
}

/**
 * Lets the machine forward IPv4 between interfaces. Never undone, because other programs may rely on it by then.
 * @throws {HostError}
 */
export async function enableForwarding(): Promise<void> {
  // Only when it is off: a write resets other settings of the same kind (kernel, ip-sysctl.rst).
  if (await isForwarding()) return;
  try {
    await writeFile(PATH, "1\n");
  } catch (cause) {
    const need = { need: "sysctl:net.ipv4.ip_forward", reason: `${cause}`, fix: "sysctl -w net.ipv4.ip_forward=1" };
    throw new HostError("forward packets of managed networks", [need], { cause });
  }
}
