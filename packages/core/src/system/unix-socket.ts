import { chmodSync, closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { ConnectionError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { listenUnixSocket } from "./syscall.ts";

/** unix(7): `sun_path` has 108 bytes with its NUL. */
const MAX_PATH = 107;

/**
 * Creates a listening unix socket at a path of any length, which only its owner can connect to, for a program that
 * inherits the descriptor. The caller closes it and removes the file. It accepts connections from now on, even before
 * that program runs.
 */
export function listenUnix(path: string): number {
  const descriptor = withShortPath(path, listenUnixSocket);
  chmodSync(path, 0o600);
  return descriptor;
}

/** Connects to a unix socket at a path of any length. The caller owns the socket. @throws {ConnectionError} */
export async function connectUnix(path: string, options: Abortable = {}): Promise<Socket> {
  const { signal } = options;
  signal?.throwIfAborted();
  // The path is resolved during the call: libuv connects unix sockets at once.
  const socket = withShortPath(path, (short) => connect(short));
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      signal?.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect).off("error", onError);
      outcome();
    };
    const onConnect = () => settle(() => resolve(socket));
    const onError = (cause: Error) =>
      settle(() => reject(new ConnectionError(path, `cannot connect: ${cause.message}`, { cause })));
    const onAbort = () =>
      settle(() => {
        // The socket is destroyed on purpose: a late error has no listener.
        socket.on("error", () => undefined).destroy();
        reject(signal?.reason);
      });
    socket.once("connect", onConnect).once("error", onError);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * A path of the same file that fits into a socket address: if the path is too long, it goes through a descriptor of the
 * folder.
 */
function withShortPath<T>(path: string, use: (path: string) => T): T {
  if (Buffer.byteLength(path) <= MAX_PATH) return use(path);
  const folder = openSync(dirname(path), "r");
  try {
    return use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}
