import { Duplex, PassThrough, Writable } from "node:stream";
import type { TerminalSize } from "../../terms/terminal-size.ts";
import type { Gate } from "./gate.ts";
import { Sink, Source, type Stdio } from "./stdio.ts";

const CONTROL: Readonly<Record<number, NodeJS.Signals>> = { 3: "SIGINT", 28: "SIGQUIT" };
const END_OF_FILE = 4;
const ERASE = 127;

/** A terminal with default settings (termios(3): ICANON, ECHO, ISIG, ICRNL, ONLCR), and its end on the host. */
export class FakeTerminal {
  /** The host's end. */
  readonly stream: Duplex;
  readonly stdio: Stdio;
  size: TerminalSize;
  echo = true;
  readonly #input = new PassThrough();
  readonly #signal: (signal: NodeJS.Signals) => void;
  #line: number[] = [];
  #drained: (() => void) | undefined;

  /** `signal` is called when a key sends a signal to the programs of the terminal. */
  constructor(size: TerminalSize, gate: Gate, signal: (signal: NodeJS.Signals) => void) {
    this.size = size;
    this.#signal = signal;
    this.stream = new Duplex({
      read: () => {
        this.#drained?.();
        this.#drained = undefined;
      },
      write: (chunk: Buffer, _encoding, done) =>
        void gate.pass().then(() => {
          for (const byte of chunk) this.#key(byte);
          done();
        }),
      destroy: (error, done) => {
        this.#signal("SIGHUP");
        done(error);
      },
    });
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#show(chunk)) done();
        else this.#drained = done;
      },
      final: (done) => {
        this.stream.push(null);
        done();
      },
    });
    const sink = new Sink(output);
    this.stdio = { stdin: new Source(this.#input), stdout: sink, stderr: sink };
  }

  #show(chunk: Uint8Array): boolean {
    if (this.stream.readableEnded || this.stream.destroyed) return true;
    return this.stream.push(Buffer.from(Buffer.from(chunk).toString("latin1").replaceAll("\n", "\r\n"), "latin1"));
  }

  #key(byte: number): void {
    if (this.#input.destroyed || this.#input.writableEnded) return;
    const signal = CONTROL[byte];
    if (signal !== undefined) {
      this.#line = [];
      if (this.echo) this.#show(Buffer.from(`^${String.fromCharCode(byte + 64)}`));
      this.#signal(signal);
    } else if (byte === END_OF_FILE) {
      if (this.#line.length === 0) this.#input.end();
      else this.#deliver();
    } else if (byte === ERASE) {
      if (this.#line.pop() !== undefined && this.echo) this.#show(Buffer.from("\b \b"));
    } else {
      const key = byte === 13 ? 10 : byte;
      this.#line.push(key);
      if (this.echo) this.#show(Buffer.of(key));
      if (key === 10) this.#deliver();
    }
  }

  #deliver(): void {
    this.#input.write(Buffer.from(this.#line));
    this.#line = [];
  }
}
