import { Socket } from "node:net";
import { connectAbstractSocket } from "@pileus/core/driver";

/** sockaddr_un(7) less the leading NUL, which marks the name as abstract, and the one that liblxc keeps at its end. */
const MAX_NAME = 106;

/** The name of the socket on which a container's monitor takes commands. commands_utils.c, lxc_make_abstract_socket_name. */
export function commandSocketName(lxcpath: string, name: string): string {
  const plain = `${lxcpath}/${name}/command`;
  if (Buffer.byteLength(plain) <= MAX_NAME) return plain;
  return `lxc/${fnv1a(`${lxcpath}/${name}`).toString(16).padStart(16, "0")}/command`;
}

/**
 * Connects to a monitor, only to learn of its end: the kernel closes the connection when the process is gone, and all that it cleans up
 * is done by then. `undefined` when there is no monitor.
 */
export function connectMonitor(lxcpath: string, name: string): Socket | undefined {
  try {
    const socket = new Socket({ fd: connectAbstractSocket(commandSocketName(lxcpath, name)) });
    // It says nothing unasked.
    socket.resume();
    socket.on("error", () => undefined);
    return socket;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return undefined;
    throw error;
  }
}

/** Resolves when a connection of {@link connectMonitor} is over, at once if it is: it may have come to its end while something else was awaited. */
export function untilClosed(socket: Socket): Promise<void> {
  // Not once() of node:events, which rejects on an error: a monitor that dies before it accepts resets the connection.
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

// utils.c, fnv_64a_buf.
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
