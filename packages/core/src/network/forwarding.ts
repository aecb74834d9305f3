import { readFile, writeFile } from "node:fs/promises";
import { HostError } from "../errors/all.ts";

const MACHINE = "net/ipv4/ip_forward";

/** A setting of the interface, which a new one gets from `net.ipv4.conf.default.forwarding`, and network managers write. */
const ofBridge = (bridge: string) => `net/ipv4/conf/${bridge}/forwarding`;

/** Whether the machine forwards IPv4 between interfaces, and what arrives by this bridge, if it is there. */
export async function isForwarding(bridge: string): Promise<boolean> {
  return (await isOn(MACHINE)) && (await isOn(ofBridge(bridge)));
}

/**
 * Lets the machine forward IPv4 between interfaces, and what arrives by this bridge. Never undone for the machine, because
 * other programs may rely on it by then. @throws {HostError}
 */
export async function enableForwarding(bridge: string): Promise<void> {
  // Only what is off: a write to the first resets other settings of the same kind (kernel, ip-sysctl.rst).
  for (const setting of [MACHINE, ofBridge(bridge)]) if (!(await isOn(setting))) await turnOn(setting);
}

async function isOn(setting: string): Promise<boolean> {
  try {
    return (await readFile(`/proc/sys/${setting}`, "latin1")).trim() === "1";
  } catch (error) {
    // There is no such interface.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

async function turnOn(setting: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/${setting}`, "1\n");
  } catch (cause) {
    // sysctl(8) takes the name with slashes too, also where the name of an interface has a dot.
    const name = setting === MACHINE ? "net.ipv4.ip_forward" : setting;
    const need = { need: `sysctl:${name}`, reason: `${cause}`, fix: `sysctl -w ${name}=1` };
    throw new HostError("forward packets of managed networks", [need], { cause });
  }
}
