/**
 * HTTP/2 against the frames of `protocol/`, one process each side, over a unix socket: `tsx --conditions=@pileus/source
 * packages/agent/bench/multiplexers.ts`. The figures are in docs/design/0004. HTTP/2 comes in two forms: on the socket itself, and on
 * a stream in JavaScript, which is what it would have to be above our records and on a virtio-serial port.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2, createServer as createHttp2 } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Deframer } from "../src/protocol/deframer.ts";
import { streamLink } from "../src/protocol/link.ts";
import { Multiplexer } from "../src/protocol/multiplexer.ts";
import { encodeRecord } from "../src/protocol/record.ts";

type Variant = "frames" | "http2" | "http2-in-js";
const VARIANTS: readonly Variant[] = ["frames", "http2", "http2-in-js"];
const SIZE = 256 * 2 ** 20;
const WINDOW = 256 * 1024;

/** A socket as a stream that is none: HTTP/2 cannot reach beneath it. */
function plain(socket: Socket): Duplex {
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
  });
  socket.on("data", (chunk) => stream.push(chunk) || socket.pause());
  socket.on("close", () => stream.destroy());
  return stream;
}

function half(socket: Socket, side: "host" | "agent"): Multiplexer {
  const link = streamLink(socket);
  const calls = new Multiplexer({
    link,
    side,
    dataSize: 64 * 1024,
    accept:
      side === "host"
        ? undefined
        : (call) => {
            const input = call.reader(0);
            input.resume().once("end", () => call.close({ ok: true }));
          },
    violated: (reason) => {
      throw new Error(reason);
    },
  });
  const deframer = new Deframer({
    record: () => true,
    frame: (header, payload) => calls.frame(header, payload),
    data: (header, piece, first) => calls.data(header, piece, first),
    malformed: (reason) => {
      throw new Error(reason);
    },
  });
  const handlers = { drain: () => calls.drain(), lost: () => undefined, missing: () => 0 };
  link.listen({ ...handlers, data: (chunk) => deframer.push(chunk) });
  socket.write(encodeRecord("here"));
  return calls;
}

function serve(variant: Variant, path: string): void {
  if (variant === "frames") createServer((socket) => half(socket, "agent")).listen(path, () => process.send?.("up"));
  else {
    const settings = { initialWindowSize: WINDOW, maxFrameSize: 64 * 1024 };
    const server = createHttp2({ settings });
    server.on("session", (session) => session.setLocalWindowSize(2 ** 24));
    server.on("stream", (stream) => {
      stream.on("error", () => undefined);
      stream.resume().once("end", () => {
        stream.respond({ ":status": 200 });
        stream.end();
      });
    });
    const accept = (socket: Socket) => {
      if (variant === "http2") server.emit("connection", socket);
      else server.emit("connection", plain(socket));
    };
    createServer(accept).listen(path, () => process.send?.("up"));
  }
}

interface Caller {
  /** Sends the bytes to the other side and waits for its answer. */
  call(source: AsyncIterable<Uint8Array> | undefined): Promise<void>;
  close(): void;
}

function framesCaller(socket: Socket): Caller {
  const calls = half(socket, "host");
  const request = Buffer.from(JSON.stringify({ method: "exec", argv: ["true"], env: {} }));
  return {
    call: (source) =>
      new Promise((resolve, reject) => {
        let input: Writable | undefined;
        calls.open(request, (call) => {
          input = call.writer(0, "end");
          call.handlers = {
            closed: () => {
              resolve();
              return undefined;
            },
            failed: reject,
          };
        });
        if (input === undefined) return;
        if (source === undefined) input.end();
        else pipeline(source, input).catch(reject);
      }),
    close: () => socket.destroy(),
  };
}

function http2Caller(socket: Socket, variant: Variant): Caller {
  const session: ClientHttp2Session = connectHttp2("http://agent", {
    createConnection: () => (variant === "http2" ? socket : plain(socket)),
    settings: { initialWindowSize: WINDOW, maxFrameSize: 64 * 1024 },
  });
  session.on("error", () => undefined);
  return {
    call: (source) =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ":method": "POST", ":path": "/exec" });
        stream.resume().once("end", () => resolve());
        stream.once("error", reject);
        if (source === undefined) stream.end();
        else pipeline(source, stream).catch(reject);
      }),
    close: () => socket.destroy(),
  };
}

async function* bytes() {
  const chunk = Buffer.alloc(64 * 1024, 7);
  for (let sent = 0; sent < SIZE; sent += chunk.length) yield chunk;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function measure(variant: Variant): Promise<Record<string, string>> {
  const path = join(tmpdir(), `pileus-multiplexers-${process.pid}-${variant}.sock`);
  const server = fork(process.argv[1] as string, [variant, path], { execArgv: process.execArgv });
  await once(server, "message");
  const socket = connect(path);
  const caller = variant === "frames" ? framesCaller(socket) : http2Caller(socket, variant);
  const times: number[] = [];
  for (let i = 0; i < 3000; i += 1) {
    const start = performance.now();
    await caller.call(undefined);
    times.push(performance.now() - start);
  }
  const rates: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const start = performance.now();
    await caller.call(bytes());
    rates.push(SIZE / 1e3 / (performance.now() - start));
  }
  const crowds: number[] = [];
  for (let i = 0; i < 20; i += 1) {
    const start = performance.now();
    await Promise.all(Array.from({ length: 100 }, () => caller.call(undefined)));
    crowds.push(performance.now() - start);
  }
  caller.close();
  server.kill();
  rmSync(path, { force: true });
  return {
    "call, ms": median(times.slice(1000)).toFixed(3),
    "100 at once, ms": median(crowds).toFixed(2),
    "one stream, MB/s": median(rates).toFixed(0),
  };
}

const [variant, path] = process.argv.slice(2) as [Variant | undefined, string];
if (variant !== undefined) serve(variant, path);
else {
  const rows: Record<string, Record<string, string>> = {};
  for (const name of VARIANTS) rows[name] = await measure(name);
  console.table(rows);
}
