import type { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { ChannelReader } from "../protocol/channel-reader.ts";
import type { ChannelWriter } from "../protocol/channel-writer.ts";

/**
 * A terminal's two channels as one stream. Bytes written after the program's end are lost, as with a real terminal.
 * Destroying the stream hangs up.
 */
export class TerminalStream extends Duplex {
  readonly #input: ChannelWriter;
  readonly #output: ChannelReader;

  constructor(input: ChannelWriter, output: ChannelReader) {
    // The readable end is the program's end: after it, nothing can be written.
    super({ highWaterMark: 64 * 1024, decodeStrings: true, allowHalfOpen: false });
    this.#input = input;
    this.#output = output;
    output.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) output.pause();
    });
    output.once("end", () => this.push(null));
    output.once("error", (error) => this.destroy(error));
    output.once("close", () => {
      if (!output.readableEnded) this.destroy();
    });
    // As with the channels: a broken session must not crash a process that ignores the stream.
    this.on("error", () => undefined);
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#input.destroyed) {
      callback();
      return;
    }
    let settled = false;
    const settle = () => {
      if (settled) return;
      settled = true;
      this.#input.off("close", settle);
      callback();
    };
    this.#input.once("close", settle);
    this.#input.write(chunk, settle);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#input.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#input.destroy();
    this.#output.destroy();
    callback(error);
  }
}
