import { readFile, writeFile } from "node:fs/promises";
import { HostError } from "../contract/errors.ts";

/** Lets the machine forward IPv4 between interfaces. Never undone: others may have come to rely on it. @throws {HostError} */
export async function enableForwarding(): Promise<void> {
  const path = "/proc/sys/net/ipv4/ip_forward";
  // Only when it is off: a write resets other settings of the same kind (kernel, ip-sysctl.rst).
  if ((await readFile(path, "latin1")).trim() === "1") return;
  try {
    await writeFile(path, "1\n");
  } catch (cause) {
    const need = { need: "sysctl:net.ipv4.ip_forward", reason: `${cause}`, fix: "sysctl -w net.ipv4.ip_forward=1" };
    throw new HostError("forward packets of managed networks", [need], { cause });
  }
}
