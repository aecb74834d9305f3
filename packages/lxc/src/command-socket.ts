import { Socket } from "node:net";
import { connectAbstractSocket } from "@pileus/core/driver";

/**
 * The size of sockaddr_un(7) without the leading NUL, which marks the name as abstract, and the NUL that liblxc keeps
 * at the end.
 */
const MAX_NAME = 106;

/**
 * The name of the socket on which a container's monitor takes commands. commands_utils.c,
 * lxc_make_abstract_socket_name.
 */
export function commandSocketName(lxcpath: string, name: string): string {
  const plain = `${lxcpath}/${name}/command`;
  if (Buffer.byteLength(plain) <= MAX_NAME) return plain;
  return `lxc/${fnv1a(`${lxcpath}/${name}`).toString(16).padStart(16, "0")}/command`;
}

/**
 * Connects to a monitor only to learn of its end: the kernel closes the connection when the process is gone. Its
 * clean-up is finished by then. `undefined` when there is no monitor.
 */
export function connectMonitor(lxcpath: string, name: string): Socket | undefined {
  try {
    const socket = new Socket({ fd: connectAbstractSocket(commandSocketName(lxcpath, name)) });
    // The monitor sends nothing without a command.
    socket.resume();
    socket.on("error", () => undefined);
    return socket;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return undefined;
    throw error;
  }
}

/**
 * Resolves when a connection of {@link connectMonitor} is closed. Resolves at once if it closed earlier, during another
 * wait.
 */
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
