import { chmodSync, closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import type { Abortable } from "../contract/abortable.ts";
import { ConnectionError } from "../contract/errors.ts";
import { listenUnixSocket } from "./syscall.ts";

/** unix(7): `sun_path` has 108 bytes with its NUL. */
const MAX_PATH = 107;

/**
 * Makes a listening unix socket at a path of any length, for its owner alone, and for a program that inherits the
 * descriptor. The caller closes it and removes the file. Connections are taken from now on, before that program even
 * runs.
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
  // The path is resolved within the call: libuv connects unix sockets at once.
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
        // Torn down on purpose: an error that is still on its way has nobody to hear it.
        socket.on("error", () => undefined).destroy();
        reject(signal?.reason);
      });
    socket.once("connect", onConnect).once("error", onError);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * A name for the same file that fits into a socket address: through a descriptor of its folder, where the path is too
 * long.
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
