import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** What a session writes to and reads from: a socket, or the guest's end of a virtio-serial port. */
export interface Link {
  /** Takes the buffers in order, as one unit. False: it has enough now, and will call `drain`. */
  send(buffers: readonly Buffer[]): boolean;
  /** Begins to read. Called once. */
  listen(handlers: LinkHandlers): void;
  /** Forgets what it took and has not begun to write: a dead session's bytes. */
  discard(): void;
  close(): void;
}

export interface LinkHandlers {
  data(chunk: Buffer): void;
  drain(): void;
  /** The peer went away. A socket is at its end with this; a port may come back. */
  lost(error?: Error): void;
  /** How many bytes of a frame that has begun are still to come. */
  missing(): number;
}

// Enough to keep a port busy, little enough that a short call never waits long behind a long transfer.
const ENOUGH = 128 * 1024;

/** A link over a connected stream. */
export function streamLink(stream: Duplex): Link {
  return {
    send(buffers) {
      stream.cork();
      for (const buffer of buffers) stream.write(buffer);
      stream.uncork();
      return stream.writableLength < ENOUGH;
    },
    listen(handlers) {
      let failure: Error | undefined;
      stream.on("data", handlers.data);
      stream.on("drain", handlers.drain);
      stream.on("error", (error) => {
        failure = error;
      });
      stream.on("end", () => stream.destroy());
      stream.on("close", () => handlers.lost(failure));
    },
    discard() {},
    close() {
      stream.destroy();
    },
  };
}
