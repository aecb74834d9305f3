import { Buffer } from "node:buffer";
import { closeSync, constants, fchownSync, openSync, readSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import type { Native } from "./native.ts";

// asm-generic/ioctls.h; the same on x86-64 and arm64.
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;
// termbits.h: c_iflag is the first field of struct termios.
const IUTF8 = 0o40000;
const TERMIOS = 64;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * A terminal for a program, with our end. It has the kernel's default settings, and erases whole UTF-8 characters.
 *
 * The program's end is kept open here, too. When the last process closes that end, libuv treats the first short read as
 * the end of the data (uv__stream_io, POLLHUP). Reads of a terminal are short, so up to 64 KiB would be lost. Therefore
 * the program's exit marks the end, and `drain()` then reads what is left.
 */
export class Terminal {
  /** The path that the program opens. */
  readonly path: string;
  readonly #native: Native;
  readonly #fd: number;
  readonly #held: number;
  #stream: ReadStream | undefined;
  #closed = false;

  /** `owner`: the id of the user that owns the terminal. */
  constructor(native: Native, size: TerminalSize, owner: number) {
    this.#native = native;
    this.#fd = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    try {
      const number = Buffer.alloc(4);
      this.#control(TIOCGPTN, number);
      this.#control(TIOCSPTLCK, Buffer.alloc(4));
      this.path = `/dev/pts/${number.readUInt32LE()}`;
      this.#held = openSync(this.path, constants.O_RDWR | constants.O_NOCTTY);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    if (process.getuid?.() === 0) fchownSync(this.#held, owner, -1);
    const settings = Buffer.alloc(TERMIOS);
    this.#control(TCGETS, settings);
    settings.writeUInt32LE(settings.readUInt32LE() | IUTF8);
    this.#control(TCSETS, settings);
    this.resize(size);
  }

  /** Carries bytes both ways until `drain()` or `close()`. */
  connect(input: Readable, output: Writable): void {
    const stream = new ReadStream(this.#fd);
    this.#stream = stream;
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => {
      if (!output.write(chunk)) stream.pause();
    });
    output.on("drain", () => {
      if (!this.#closed) stream.resume();
    });
    output.once("close", () => this.close());
    input.on("data", (chunk: Buffer) => {
      if (!stream.write(chunk)) input.pause();
    });
    stream.on("drain", () => input.resume());
  }

  /** For after the program's end: writes the remaining output to `output`, as fast as that accepts it, then ends it. */
  drain(output: Writable): void {
    this.#stream?.pause();
    this.#stream?.removeAllListeners("data");
    output.removeAllListeners("drain");
    const step = (): void => {
      while (!this.#closed) {
        const chunk: Buffer | undefined = this.#stream?.read() ?? readNow(this.#fd);
        if (chunk === undefined) break;
        if (output.write(chunk)) continue;
        output.once("drain", step);
        return;
      }
      this.close();
      output.end();
    };
    step();
  }

  /** Hangs up: processes that still run on the terminal get SIGHUP. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#held);
    if (this.#stream === undefined) closeSync(this.#fd);
    else this.#stream.destroy();
  }

  resize({ columns, rows }: TerminalSize): void {
    if (!this.#closed) this.#control(TIOCSWINSZ, Buffer.from(Uint16Array.of(rows, columns, 0, 0).buffer));
  }

  #control(request: number, argument: Buffer): void {
    if (this.#native.ioctl(this.#fd, request, "void *", argument) !== 0) throw new Error("cannot make a terminal");
  }
}

/** Reads what is available without waiting. */
function readNow(fd: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(4096);
  try {
    const count = readSync(fd, buffer, 0, buffer.length, null);
    return count === 0 ? undefined : buffer.subarray(0, count);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN" || code === "EIO") return undefined;
    throw error;
  }
}
