import { join } from "node:path";
import type { NicTraffic, Traffic } from "../contract/capability.ts";
import type { NicAttachment } from "../contract/nic-attachment.ts";
import { readIfThereSync } from "../system/read-if-there.ts";

/**
 * What went through each nic of an instance, as the host's end of it counts: what that receives, the instance has sent
 * (sysfs-class-net-statistics). Nics that are gone are left out. Synchronous: the kernel has the numbers at hand.
 */
export function readTraffic(
  nics: readonly Pick<NicAttachment, "device" | "hostInterface">[],
  folder = "/sys/class/net",
): Readonly<Record<string, NicTraffic>> {
  const found = nics.flatMap(({ device, hostInterface }) => {
    const [sent, received] = [read(join(folder, hostInterface), "rx"), read(join(folder, hostInterface), "tx")];
    return sent === undefined || received === undefined ? [] : [[device, { received, sent }] as const];
  });
  return Object.fromEntries(found);
}

function read(nic: string, direction: "rx" | "tx"): Traffic | undefined {
  const [bytes, packets, errors, dropped] = ["bytes", "packets", "errors", "dropped"].map((counter) => {
    const text = readIfThereSync(join(nic, "statistics", `${direction}_${counter}`));
    return text === undefined ? undefined : Number(text);
  });
  if (bytes === undefined || packets === undefined || errors === undefined || dropped === undefined) return undefined;
  return { bytes, packets, errors, dropped };
}
