import { Buffer } from "node:buffer";
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import type { Native } from "./native.ts";
import type { PortWatch } from "./port-watch.ts";

const PORTS = "/sys/class/virtio-ports";

/**
 * The devices of the virtio-serial ports that are called `name`, or `name` with a dot and a number, because names in
 * /dev are not stable. Leaves out a port that has no name yet: the kernel learns it a moment after the port.
 */
export function findPorts(name: string, folder = PORTS): readonly string[] {
  return readdirSync(folder)
    .filter((entry) => isOurs(name, readName(`${folder}/${entry}/name`)))
    .map((entry) => `/dev/${entry}`);
}

function readName(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

function isOurs(name: string, found: string): boolean {
  if (found === name) return true;
  return found.startsWith(`${name}.`) && /^[1-9][0-9]*$/.test(found.slice(name.length + 1));
}

// linux/socket.h, linux/netlink.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000;
const NETLINK_KOBJECT_UEVENT = 15;
const KERNEL_GROUP = 1;
/** linux/kobject.h, UEVENT_BUFFER_SIZE. */
const UEVENT_SIZE = 2048;
const { ENOBUFS } = constants.errno;

/**
 * Calls `changed` whenever the kernel tells that a virtio-serial port has come, or got its name. A kernel without netlink
 * tells nothing: the agent then serves the ports that were there when it started.
 */
export function watchPorts(native: Native, watch: PortWatch, changed: () => void): void {
  const socket = native.socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, NETLINK_KOBJECT_UEVENT);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK);
  address.writeUInt32LE(KERNEL_GROUP, 8);
  if (socket < 0 || native.bind(socket, address, address.length) !== 0) return;
  const event = Buffer.alloc(UEVENT_SIZE);
  watch.add(socket, () => {
    let ours = false;
    for (;;) {
      const count = native.read(socket, event, event.length);
      if (count >= 0) ours ||= event.subarray(0, count).includes("SUBSYSTEM=virtio-ports");
      // Some were lost, because there were too many.
      else if (native.errno() === ENOBUFS) ours = true;
      else break;
    }
    if (ours) changed();
  });
}
