import { ffi } from "./ffi.ts";
import { check, native } from "./syscall.ts";

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0o2000001;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** cmsg(3): struct cmsghdr of a 64-bit system. */
const HEADER = 16;

type SendMessage = (fd: number, message: object, flags: number) => number;
let loaded: SendMessage | undefined;

// Loaded on first use, like everything native. sendmsg(2).
function sendMessage(): SendMessage {
  if (loaded !== undefined) return loaded;
  const koffi = ffi();
  const iovec = koffi.struct({ base: "uint8_t *", length: "size_t" });
  const message = koffi.struct({
    name: "void *",
    nameLength: "uint",
    parts: koffi.pointer(iovec),
    partCount: "size_t",
    control: "uint8_t *",
    controlLength: "size_t",
    flags: "int",
  });
  loaded = koffi.load(null).func("sendmsg", "long", ["int", koffi.pointer(message), "int"]) as SendMessage;
  return loaded;
}

/** Two connected sockets, close-on-exec. socketpair(2). @throws {SystemError} */
export function socketPair(): readonly [number, number] {
  const fds: [number, number] = [0, 0];
  check("socketpair", native().socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, fds));
  return fds;
}

/** Sends descriptors, with a 32-bit number, to the other end of a socket. unix(7). @throws {SystemError} */
export function sendDescriptors(socket: number, descriptors: readonly number[], number = 0): void {
  const length = HEADER + descriptors.length * 4;
  const control = Buffer.alloc(Math.ceil(length / 8) * 8);
  control.writeBigUInt64LE(BigInt(length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, HEADER + index * 4);
  const data = Buffer.alloc(4);
  data.writeUInt32LE(number);
  const parts = { base: data, length: data.length };
  const message = { name: null, nameLength: 0, parts, partCount: 1, control, controlLength: length, flags: 0 };
  check("sendmsg", sendMessage()(socket, message, 0));
}
