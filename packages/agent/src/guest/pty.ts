import { Buffer } from "node:buffer";
import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { ReadStream } from "node:tty";
import type { Credentials, SystemCalls } from "./system-calls.ts";

/** node-pty's native half, as `unixTerminal.js` of version 1.1.0 calls it. */
interface Binding {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { readonly fd: number; readonly pid: number; readonly pty: string };
  resize(fd: number, columns: number, rows: number): void;
}

/**
 * A program on a terminal, and our end of that.
 *
 * The program's end is kept open here, too: when the last one closes it, libuv takes the first short read for the end of all
 * (uv__stream_io, POLLHUP), and a terminal's reads are short; up to 64 KiB would be lost. So the end is told by the program's exit, after
 * which `drain()` takes what is left.
 */
export class Terminal {
  readonly pid: number;
  readonly #binding: Binding;
  readonly #fd: number;
  readonly #stream: ReadStream;
  readonly #held: number;
  #closed = false;

  constructor(binding: Binding, started: { readonly fd: number; readonly pid: number; readonly pty: string }) {
    this.pid = started.pid;
    this.#binding = binding;
    this.#fd = started.fd;
    this.#held = openSync(started.pty, constants.O_RDWR | constants.O_NOCTTY);
    this.#stream = new ReadStream(started.fd);
    this.#stream.on("error", () => undefined);
  }

  /** Carries bytes both ways until `drain()` or `close()`. */
  connect(input: Readable, output: Writable): void {
    const stream = this.#stream;
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

  /** After the program's end: writes what it has left to `output`, as fast as that takes it, then ends it. */
  drain(output: Writable): void {
    this.#stream.pause();
    this.#stream.removeAllListeners("data");
    output.removeAllListeners("drain");
    const step = (): void => {
      while (!this.#closed) {
        const chunk: Buffer | undefined = this.#stream.read() ?? readNow(this.#fd);
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

  /** Hangs up: what still runs on the terminal gets SIGHUP. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#held);
    this.#stream.destroy();
  }

  resize(columns: number, rows: number): void {
    if (!this.#closed) this.#binding.resize(this.#fd, columns, rows);
  }
}

/** What can be read without waiting; libuv has made the descriptor so. */
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

export interface TerminalRequest {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly columns: number;
  readonly rows: number;
  readonly user: Credentials;
  readonly onExit: (code: number, signal: number) => void;
}

/**
 * Starts programs on terminals by node-pty's native module alone: its JavaScript half destroys the terminal 200 ms
 * after the program's end, and with it what a slow reader has not yet taken.
 */
export class TerminalStarter {
  readonly #path: string;
  readonly #calls: SystemCalls;
  #binding: Binding | undefined;

  /** `path`: of `pty.node`. Loaded on first use. */
  constructor(path: string, calls: SystemCalls) {
    this.#path = path;
    this.#calls = calls;
  }

  start(request: TerminalRequest): Terminal {
    this.#binding ??= load(this.#path);
    const binding = this.#binding;
    const { file, args, cwd, columns, rows, user, onExit } = request;
    const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
    const started = this.#calls.as(user, () =>
      // -1: the ids that it has. The terminal is made by who will use it, and so is his.
      binding.fork(file, args, env, cwd, columns, rows, -1, -1, true, "", onExit),
    );
    // The module leaves our end open to every program that is started after this one.
    this.#calls.closeOnExec(started.fd);
    return new Terminal(binding, started);
  }
}

function load(path: string): Binding {
  const module = { exports: {} as Binding };
  process.dlopen(module, path);
  return module.exports;
}
