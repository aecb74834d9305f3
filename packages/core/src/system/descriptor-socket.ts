import { ffi } from "./ffi.ts";
import { check, native } from "./syscall.ts";

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0o2000001;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** cmsg(3): struct cmsghdr of a 64-bit system. */
const HEADER = 16;

type SendMessage = (fd: number, message: Uint8Array, flags: number) => number;
let loaded: SendMessage | undefined;

// Loaded on first use, like everything native. sendmsg(2).
function sendMessage(): SendMessage {
  loaded ??= ffi().load(null).func("long sendmsg(int fd, const void *message, int flags)") as SendMessage;
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
  // struct iovec and struct msghdr of a 64-bit system, without a name. The FFI would take longer to build them.
  const part = new BigUint64Array([ffi().address(data), BigInt(data.length)]);
  const message = new BigUint64Array(7);
  message[2] = ffi().address(new Uint8Array(part.buffer));
  message[3] = 1n;
  message[4] = ffi().address(control);
  message[5] = BigInt(length);
  check("sendmsg", sendMessage()(socket, new Uint8Array(message.buffer), 0));
}
