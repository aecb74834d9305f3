import { readdirSync, readFileSync } from "node:fs";

const PORTS = "/sys/class/virtio-ports";

/**
 * Finds the device of the virtio-serial port with this name, because names in /dev are not stable. Undefined if there
 * is none.
 */
export function findPort(name: string): string | undefined {
  const port = readdirSync(PORTS).find((entry) => readFileSync(`${PORTS}/${entry}/name`, "utf8").trim() === name);
  return port === undefined ? undefined : `/dev/${port}`;
}
