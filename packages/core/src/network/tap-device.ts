import { closeSync, constants, openSync } from "node:fs";
import { InterfaceNameSchema } from "../model/name.ts";
import { check, native } from "../system/syscall.ts";

/**
 * Opens a tap that {@link createTap} made, for a program that inherits the descriptor: it needs no rights of its own and
 * no /dev/net/tun. The caller closes it. One process at a time holds a tap. linux/if_tun.h.
 */
export function openTap(name: string): number {
  const TUNSETIFF = 0x400454ca;
  const IFF_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000;
  // struct ifreq: 16 bytes of name, then the flags.
  const request = Buffer.alloc(40);
  request.write(InterfaceNameSchema.parse(name), "latin1");
  request.writeUInt16LE(IFF_TAP_NO_PI_VNET_HDR, 16);
  const fd = openSync("/dev/net/tun", constants.O_RDWR);
  try {
    check("ioctl", native().ioctl(fd, TUNSETIFF, request));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
