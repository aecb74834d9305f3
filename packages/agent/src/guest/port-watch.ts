import { Buffer } from "node:buffer";
import type { Native } from "./native.ts";

// sys/epoll.h; asm-generic/errno.h
const EPOLLIN = 0x1;
const EPOLLOUT = 0x4;
const EPOLLET = 0x80000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0o2000000;
// struct epoll_event is packed on x86-64 alone: 32 bits of events, 64 bits of data.
const PACKED = process.arch === "x64";
const EVENT_SIZE = PACKED ? 12 : 16;
const DATA_OFFSET = PACKED ? 4 : 8;
const MAX_EVENTS = 32;

/**
 * Tells when a port can be read or written again, or when its host has come or gone. One thread waits for all ports,
 * because Node has only a few for everything that waits. Edges are reported, not levels (epoll(7), EPOLLET): a port without a
 * host always has something to report.
 */
export class PortWatch {
  readonly #native: Native;
  readonly #epoll: number;
  readonly #events = Buffer.alloc(MAX_EVENTS * EVENT_SIZE);
  readonly #wake = new Map<number, () => void>();

  constructor(native: Native) {
    this.#native = native;
    this.#epoll = native.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new Error("cannot watch the ports: too many files are open");
    this.#wait();
  }

  /** Calls `wake` after each change of the port that `fd` has open, from the next turn of the event loop on. */
  add(fd: number, wake: () => void): void {
    const event = Buffer.alloc(EVENT_SIZE);
    event.writeUInt32LE((EPOLLIN | EPOLLOUT | EPOLLET) >>> 0);
    event.writeUInt32LE(fd, DATA_OFFSET);
    this.#wake.set(fd, wake);
    if (this.#native.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event) !== 0) throw new Error("cannot watch a port");
  }

  #wait(): void {
    this.#native.epollWait(this.#epoll, this.#events, MAX_EVENTS, (count) => {
      // A signal may end the wait with -1.
      for (let index = 0; index < count; index++)
        this.#wake.get(this.#events.readUInt32LE(index * EVENT_SIZE + DATA_OFFSET))?.();
      this.#wait();
    });
  }
}
