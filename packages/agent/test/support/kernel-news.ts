import { Buffer } from "node:buffer";
import { closeSync } from "node:fs";
import { findNativeModule } from "../../src/drive/native-modules.ts";

// linux/netlink.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_KOBJECT_UEVENT = 15;
const KERNEL_GROUP = 1;

/** Tells all that listen for the kernel's news of devices that one of this subsystem has come. Needs root. */
export function tellOfDevice(subsystem: string, times = 1): void {
  const module = { exports: {} as { load(library: null): { func(text: string): (...args: unknown[]) => number } } };
  process.dlopen(module, findNativeModule("koffi.node") ?? "");
  const libc = module.exports.load(null);
  const open = libc.func("int socket(int family, int type, int protocol)");
  const send = libc.func("long sendto(int fd, const void *data, size_t size, int flags, const void *to, uint length)");
  const socket = open(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT);
  const group = Buffer.alloc(12);
  group.writeUInt16LE(AF_NETLINK);
  group.writeUInt32LE(KERNEL_GROUP, 8);
  const news = Buffer.from(`add@/devices/pileus-test\0ACTION=add\0SUBSYSTEM=${subsystem}\0`);
  try {
    for (let sent = 0; sent < times; sent++) send(socket, news, news.length, 0, group, group.length);
  } finally {
    closeSync(socket);
  }
}
