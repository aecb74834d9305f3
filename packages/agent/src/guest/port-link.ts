import { Buffer } from "node:buffer";
import { read, readSync, write } from "node:fs";
import type { Link, LinkHandlers } from "../protocol/link.ts";

// The driver accepts at most 32 KiB in one write and returns at most 4 KiB in one read (Linux,
// drivers/char/virtio_console.c).
const WRITE_SIZE = 32 * 1024;
const PORT_READ = 4096;
const HIGH_WATER_MARK = 128 * 1024;

/**
 * A link over the guest's end of a virtio-serial port, open for reading and writing.
 *
 * A read waits on another thread for the first bytes. The rest of a frame that has begun is read synchronously on this
 * thread, because it is on its way, and a thread round trip for each 4 KiB would divide the throughput by three to
 * five. Without a host, the driver lets a read return nothing and a write wait. So the bytes of `greet` are written
 * when the host is gone, and that write ends when a host is there again. Nothing is polled.
 */
export class PortLink implements Link {
  readonly #fd: number;
  readonly #greet: () => Buffer;
  readonly #first = Buffer.allocUnsafeSlow(PORT_READ);
  #handlers: LinkHandlers | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  #writing = false;
  #full = false;

  constructor(fd: number, greet: () => Buffer) {
    this.#fd = fd;
    this.#greet = greet;
  }

  listen(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    this.#awaitHost();
  }

  send(buffers: readonly Buffer[]): boolean {
    for (const buffer of buffers) {
      this.#queue.push(buffer);
      this.#queued += buffer.length;
    }
    this.#write();
    this.#full = this.#queued >= HIGH_WATER_MARK;
    return !this.#full;
  }

  discard(): void {
    this.#queue = [];
    this.#queued = 0;
    this.#full = false;
  }

  /** A port stays open as long as the agent lives, because it cannot be opened twice. */
  close(): void {
    this.discard();
  }

  #awaitHost(): void {
    const greeting = this.#greet();
    write(this.#fd, greeting, 0, greeting.length, null, (error) => {
      if (error !== null) this.#handlers?.lost(error);
      else this.#read();
    });
  }

  #read(): void {
    read(this.#fd, this.#first, 0, PORT_READ, null, (error, count) => {
      if (error !== null) return this.#handlers?.lost(error);
      if (count === 0) {
        this.#handlers?.lost();
        return this.#awaitHost();
      }
      // A receiver that keeps so small a piece copies it, so the buffer is free again afterwards.
      this.#handlers?.data(this.#first.subarray(0, count));
      this.#readRest();
      this.#read();
    });
  }

  #readRest(): void {
    for (;;) {
      const missing = this.#handlers?.missing() ?? 0;
      if (missing === 0) return;
      const rest = Buffer.allocUnsafeSlow(missing);
      let filled = 0;
      while (filled < missing) {
        const count = readSync(this.#fd, rest, filled, missing - filled, null);
        // The host went away in the middle of a frame. The next read sees that again.
        if (count === 0) break;
        filled += count;
      }
      if (filled > 0) this.#handlers?.data(rest.subarray(0, filled));
      if (filled < missing) return;
    }
  }

  #write(): void {
    if (this.#writing || this.#queue.length === 0) return;
    this.#writing = true;
    const unit = this.#nextUnit();
    let at = 0;
    const step = (): void => {
      write(this.#fd, unit, at, unit.length - at, null, (error, count) => {
        if (error !== null) {
          this.#writing = false;
          return this.#handlers?.lost(error);
        }
        at += count;
        if (at < unit.length) return step();
        this.#writing = false;
        if (this.#full && this.#queued < HIGH_WATER_MARK / 2) {
          this.#full = false;
          this.#handlers?.drain();
        }
        this.#write();
      });
    };
    step();
  }

  // Packs as many small frames as fit into one write: each write is a trip to another thread and out of the machine.
  #nextUnit(): Buffer {
    const parts: Buffer[] = [];
    let size = 0;
    while (this.#queue.length > 0) {
      const next = this.#queue[0] as Buffer;
      const room = WRITE_SIZE - size;
      if (room === 0) break;
      parts.push(next.subarray(0, room));
      size += Math.min(room, next.length);
      if (next.length > room) {
        this.#queue[0] = next.subarray(room);
        break;
      }
      this.#queue.shift();
    }
    this.#queued -= size;
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size);
  }
}
