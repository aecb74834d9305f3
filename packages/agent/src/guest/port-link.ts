import { Buffer } from "node:buffer";
import { constants } from "node:os";
import type { Link, LinkHandlers } from "../protocol/link.ts";
import { explainErrno } from "./errno.ts";
import type { Native } from "./native.ts";
import type { PortWatch } from "./port-watch.ts";

// The driver accepts at most 32 KiB in one write and returns at most 4 KiB in one read (Linux,
// drivers/char/virtio_console.c).
const WRITE_SIZE = 32 * 1024;
const PORT_READ = 4096;
const HIGH_WATER_MARK = 128 * 1024;

/** How much is read in one turn of the event loop, which the other ports share. */
const TURN = 256 * 1024;

/**
 * How long the rest of a frame is waited for, in milliseconds. It is on its way, unless the host was stopped in the middle
 * of it: the other ports must not wait for that host.
 */
const PATIENCE = 5;

const { EAGAIN } = constants.errno;
// poll.h
const POLLIN = 1;

/** What a {@link PortLink} is made of. */
export interface PortLinkParts {
  /** The guest's end of a virtio-serial port, open for reading and writing, with O_NONBLOCK. */
  readonly fd: number;
  readonly native: Pick<Native, "read" | "write" | "poll" | "errno">;
  readonly watch: Pick<PortWatch, "add">;
  /** What is sent to a host that has come. */
  readonly greet: () => Buffer;
}

/**
 * A link over a virtio-serial port. It never waits in the kernel, except for {@link PATIENCE}: a host that reads or
 * writes nothing for a while delays no host of another port.
 *
 * When a frame has begun, its rest is read in the same turn, because a trip to the thread of the watch for each 4 KiB would
 * divide the throughput by three to five. Without a host, a read returns nothing at once; with one that has sent
 * nothing, it is refused (EAGAIN). So a host that has come back is greeted unless it has already said hello and is
 * answered: then the greeting would only make it say hello again.
 */
export class PortLink implements Link {
  readonly #parts: PortLinkParts;
  readonly #first = Buffer.allocUnsafeSlow(PORT_READ);
  readonly #polled: Buffer;
  #handlers: LinkHandlers | undefined;
  #greeting: Buffer | undefined;
  /** Accepted in part by the driver. */
  #begun: Buffer | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  #full = false;
  #scheduled = false;
  #resting = false;
  #failed = false;

  constructor(parts: PortLinkParts) {
    this.#parts = parts;
    // struct pollfd: a descriptor, then 16 bits each of events and results.
    this.#polled = Buffer.alloc(8);
    this.#polled.writeInt32LE(parts.fd);
    this.#polled.writeInt16LE(POLLIN, 4);
  }

  listen(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    this.#greeting = this.#parts.greet();
    this.#parts.watch.add(this.#parts.fd, () => this.#advance());
    this.#advance();
  }

  /** What is sent to a host that has come in place of the greeting makes that superfluous. */
  send(buffers: readonly Buffer[]): boolean {
    this.#greeting = undefined;
    for (const buffer of buffers) {
      this.#queue.push(buffer);
      this.#queued += buffer.length;
    }
    this.#full = this.#queued >= HIGH_WATER_MARK;
    // Later, so that frames which are sent one after another leave the machine together.
    if (!this.#scheduled) process.nextTick(() => this.#flush());
    this.#scheduled = true;
    return !this.#full;
  }

  /** What follows begins with a record, whose marker ends a frame that was sent in part. */
  discard(): void {
    this.#begun = undefined;
    this.#queue = [];
    this.#queued = 0;
    this.#full = false;
  }

  /** A port stays open as long as the agent lives, because it cannot be opened twice. */
  close(): void {
    this.discard();
  }

  #advance(): void {
    if (this.#greeting === undefined) this.#flush();
    let left = TURN;
    while (!this.#failed) {
      const count = this.#read(this.#first, 0);
      if (count === undefined) {
        this.#flush();
        return;
      }
      if (count === 0) {
        // Still gone.
        if (this.#greeting !== undefined) return;
        this.#handlers?.lost();
        this.#greeting = this.#parts.greet();
        continue;
      }
      // A receiver that keeps so small a piece copies it, so the buffer is free again afterwards.
      this.#handlers?.data(this.#first.subarray(0, count));
      left -= count;
      left -= this.#readRest(left);
      if (left > 0) continue;
      this.#rest();
      return;
    }
  }

  /** Lets the other ports have a turn. */
  #rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      this.#advance();
    });
  }

  /** Reads the rest of the frame that has begun, at most `most` bytes. Returns their number. */
  #readRest(most: number): number {
    let total = 0;
    for (;;) {
      const wanted = Math.min(this.#handlers?.missing() ?? 0, most - total);
      if (wanted <= 0) return total;
      const rest = Buffer.allocUnsafeSlow(wanted);
      let filled = 0;
      while (filled < wanted && !this.#failed) {
        const count = this.#read(rest, filled) ?? (this.#hasMore() ? undefined : 0);
        // The host went away in the middle of a frame, or stopped. The next read sees which.
        if (count === 0) break;
        filled += count ?? 0;
      }
      total += filled;
      if (filled > 0) this.#handlers?.data(rest.subarray(0, filled));
      if (filled < wanted) return total;
    }
  }

  /** The bytes that were read; 0 if there is no host; `undefined` if there are none yet. */
  #read(buffer: Buffer, at: number): number | undefined {
    const { native, fd } = this.#parts;
    const count = native.read(fd, buffer.subarray(at), buffer.length - at);
    return count >= 0 ? count : this.#refused();
  }

  #hasMore(): boolean {
    return this.#parts.native.poll(this.#polled, 1, PATIENCE) > 0;
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#failed) return;
    if (this.#greeting !== undefined) {
      if (this.#write(this.#greeting) === undefined) return;
      this.#greeting = undefined;
    }
    while (this.#begun !== undefined || this.#queue.length > 0) {
      const unit = this.#begun ?? this.#nextUnit();
      const count = this.#write(unit);
      this.#begun = count === unit.length ? undefined : unit.subarray(count ?? 0);
      if (count === undefined) break;
    }
    if (!this.#full || this.#queued >= HIGH_WATER_MARK / 2) return;
    this.#full = false;
    this.#handlers?.drain();
  }

  /** The bytes that were written; `undefined` if none is accepted at the moment. */
  #write(unit: Buffer): number | undefined {
    const { native, fd } = this.#parts;
    const count = native.write(fd, unit, unit.length);
    return count > 0 ? count : count === 0 ? undefined : this.#refused();
  }

  #refused(): undefined {
    const errno = this.#parts.native.errno();
    if (errno === EAGAIN) return;
    this.#failed = true;
    this.#handlers?.lost(new Error(explainErrno(errno)));
  }

  // Packs as many small frames as fit into one write, because each leaves the machine.
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
