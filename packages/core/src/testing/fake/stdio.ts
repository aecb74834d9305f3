import { PassThrough, Readable, Transform, Writable } from "node:stream";
import type { Gate } from "./gate.ts";
import type { FakeTree } from "./tree.ts";

const BUFFER = 64 * 1024;

/** One end of a pipe. Several programs may hold it; it closes when the last of them has ended. */
abstract class HeldEnd<S extends Readable | Writable> {
  readonly stream: S;
  #holders = 0;

  constructor(stream: S) {
    this.stream = stream;
    stream.on("error", () => undefined);
  }
  hold(): void {
    this.#holders += 1;
  }
  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.close();
  }
  protected abstract close(): void;
}

/** The end that programs write to. */
export class Sink extends HeldEnd<Writable> {
  protected override close(): void {
    this.stream.end();
  }
}

/** The end that programs read from. */
export class Source extends HeldEnd<Readable> {
  protected override close(): void {
    this.stream.destroy();
  }
  /** Returns the available bytes, or waits for some; `undefined` at the end. Rejects with the reason of an abort. */
  async take(signal: AbortSignal): Promise<Buffer | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const chunk: unknown = this.stream.read();
      if (chunk !== null) return Buffer.from(chunk as Uint8Array);
      if (this.stream.readableEnded || this.stream.destroyed) return undefined;
      await anyOf(this.stream, ["readable", "end", "close"], signal);
    }
  }
  /** Reads up to the next newline, inclusive; `undefined` at the end. The rest stays for the next reader. */
  async takeLine(signal: AbortSignal): Promise<string | undefined> {
    let line = Buffer.alloc(0);
    for (;;) {
      const chunk = await this.take(signal);
      if (chunk === undefined) return line.length > 0 ? line.toString() : undefined;
      const end = chunk.indexOf(10) + 1;
      line = Buffer.concat([line, end === 0 ? chunk : chunk.subarray(0, end)]);
      if (end === 0) continue;
      if (end < chunk.length) this.stream.unshift(chunk.subarray(end));
      return line.toString();
    }
  }
}

/** The three streams of a program. */
export interface Stdio {
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** Three pipes, and their ends on the host. Nothing written reaches a program while the gate is closed. */
export function pipes(gate: Gate) {
  const options = { highWaterMark: BUFFER };
  const stdin = new Transform({
    ...options,
    transform: (chunk, _encoding, done) => void gate.pass().then(() => done(null, chunk)),
  });
  const stdout = new PassThrough(options);
  const stderr = new PassThrough(options);
  const stdio: Stdio = { stdin: new Source(stdin), stdout: new Sink(stdout), stderr: new Sink(stderr) };
  return { stdio, host: { stdin, stdout, stderr } };
}

/** A sink that discards everything. */
export function nowhere(): Sink {
  return new Sink(new Writable({ write: (_chunk, _encoding, done) => done() }));
}

/** An empty source. */
export function nothing(): Source {
  return new Source(Readable.from([]));
}

/** A sink that writes to a file, from its beginning or at its end. */
export function fileSink(tree: FakeTree, path: string, append: boolean): Sink {
  const old = tree.find(path);
  const facts = { uid: old?.uid ?? 0, gid: old?.gid ?? 0, mode: old?.mode ?? 0o644 };
  tree.write(path, append && old?.type === "file" ? old.content : Buffer.alloc(0), facts);
  const write = (chunk: Buffer) => tree.write(path, Buffer.concat([tree.content("write", path), chunk]), facts);
  return new Sink(
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        try {
          write(chunk);
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    }),
  );
}

/** Waits for the first of these events. Rejects with the reason of an abort. */
export function anyOf(emitter: Readable | Writable, events: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      for (const event of events) emitter.off(event, done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    for (const event of events) emitter.on(event, done);
    signal.addEventListener("abort", done);
  });
}
