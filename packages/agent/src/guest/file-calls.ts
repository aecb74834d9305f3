import { Buffer } from "node:buffer";
import { pipeline, Readable, type Writable } from "node:stream";
import type { DirectoryEntry, FileStat } from "@pileus/core";
import type { LocalFiles } from "@pileus/core/files";
import type { Call } from "../protocol/call.ts";
import type { AgentMessage, CallRequest, Outcome } from "../protocol/messages.ts";
import { failure } from "./failure.ts";

type FileRequest = Extract<CallRequest, { readonly path: string }>;

/** How many entries of a listing are encoded at once. */
const SLICE = 256;
const STARTED: AgentMessage = { type: "started" };

/** Serves one file operation. If the host cancels it, the operation aborts and leaves no partial result. */
export function fileCall(call: Call, request: FileRequest, files: LocalFiles): void {
  const abort = new AbortController();
  const { signal } = abort;
  const stop = () => abort.abort(new Error("the host cancelled the call"));
  call.handlers = { cancelled: stop, failed: stop };
  switch (request.method) {
    case "stat":
      answer(call, files.stat(request.path, { signal }).then(onWire));
      return;
    case "mkdir":
      answer(call, files.mkdir(request.path, { ...request.options, signal }));
      return;
    case "remove":
      answer(call, files.remove(request.path, { recursive: request.recursive, signal }));
      return;
    case "list":
      sendStream(call, listing(files, request.path, signal));
      return;
    case "read":
      sendStream(call, files.read(request.path, { signal }));
      return;
    case "readTree":
      sendStream(call, files.readTree(request.path, { signal }));
      return;
    case "write":
      receiveStream(call, files.write(request.path, { ...request.options, signal }));
      return;
    case "writeTree":
      receiveStream(call, files.writeTree(request.path, { signal }));
      return;
    default:
      request satisfies never;
  }
}

/** Closes the call with the result of the promise. */
export function answer(call: Call, promise: Promise<unknown>): void {
  promise.then(
    (result) => call.close({ ok: true, result }),
    (error: unknown) => call.close(failed(error)),
  );
}

// Sends a listing as a stream: one line of JSON for each entry, within the credit of a stream.
async function listing(files: LocalFiles, path: string, signal: AbortSignal): Promise<Readable> {
  const entries = await files.list(path, { signal });
  const lines = Readable.from(linesOf(entries), { objectMode: false });
  return lines.once("close", () => entries.destroy());
}

/** Encodes some entries at a time. */
async function* linesOf(entries: AsyncIterable<DirectoryEntry>): AsyncGenerator<Buffer, void> {
  let lines: string[] = [];
  for await (const entry of entries) {
    lines.push(`${JSON.stringify(onWire(entry))}\n`);
    if (lines.length < SLICE) continue;
    yield Buffer.from(lines.join(""));
    lines = [];
  }
  yield Buffer.from(lines.join(""));
}

/** JSON numbers are too small for nanoseconds, so they are sent as text. */
function onWire<T extends FileStat>(stat: T) {
  return { ...stat, mtimeNs: String(stat.mtimeNs) };
}

/** Streams bytes out of the guest. */
function sendStream(call: Call, source: Promise<Readable>): void {
  const out = call.writer(1, "nothing");
  source.then(
    (stream) => {
      call.send(STARTED);
      pipeline(stream, out, (error) => call.close(error ? failed(error) : { ok: true }));
    },
    (error: unknown) => call.close(failed(error)),
  );
}

/** Streams bytes into the guest. */
function receiveStream(call: Call, sink: Promise<{ readonly stream: Writable; readonly done: Promise<void> }>): void {
  const input = call.reader(0);
  sink.then(
    ({ stream, done }) => {
      call.send(STARTED);
      // Not a pipeline: the call reports the sink's own error, and closes before the input does.
      stream.on("error", () => undefined);
      input.once("close", () => {
        if (!input.readableEnded) stream.destroy();
      });
      input.pipe(stream);
      answer(call, done);
    },
    (error: unknown) => call.close(failed(error)),
  );
}

function failed(error: unknown): Outcome {
  return { ok: false, error: failure(error) };
}
