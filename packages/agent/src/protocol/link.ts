import type { Buffer } from "node:buffer";
import type { Duplex } from "node:stream";

/** What a session writes to and reads from: a socket, or the guest's end of a virtio-serial port. */
export interface Link {
  /**
   * Sends the buffers in order, as one unit. Returns false when its queue is full; it calls `drain` when there is room
   * again.
   */
  send(buffers: readonly Buffer[]): boolean;
  /** Begins to read. Called once. */
  listen(handlers: LinkHandlers): void;
  /** Drops what it has queued and not begun to write: bytes of a dead session. */
  discard(): void;
  close(): void;
}

export interface LinkHandlers {
  data(chunk: Buffer): void;
  drain(): void;
  /** The peer went away. For a socket, this is the end; on a port, a peer may come back. */
  lost(error?: Error): void;
  /** How many bytes the current frame still lacks. */
  missing(): number;
}

// Enough to keep a port busy, but so little that a short call never waits long behind a long transfer.
const HIGH_WATER_MARK = 128 * 1024;

/** A link over a connected stream. */
export function streamLink(stream: Duplex): Link {
  return {
    send(buffers) {
      stream.cork();
      for (const buffer of buffers) stream.write(buffer);
      stream.uncork();
      return stream.writableLength < HIGH_WATER_MARK;
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
