import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isInstanceError } from "@pileus/core";
import { expect, it } from "vitest";
import { HostSession } from "../src/client/host-session.ts";
import { RemoteFiles } from "../src/client/remote-files.ts";
import { startProcess } from "../src/client/remote-process.ts";
import { AgentSession } from "../src/guest/session.ts";
import { encodeFrame, FRAME, type FrameType } from "../src/protocol/frame.ts";
import type { Link, LinkHandlers } from "../src/protocol/link.ts";
import { MetricsSchema } from "../src/protocol/messages.ts";
import { encodeRecord, MARKER, RECORD, type RecordKind } from "../src/protocol/record.ts";
import { request } from "./support/agent-process.ts";
import { seeded } from "./support/random.ts";

/** How many frames each half receives: see docs/testing.md. */
const FRAMES = Number(process.env["PILEUS_FUZZ"] ?? 20_000);
const DEADLINE = 60_000 + FRAMES * 5;
const MIB = 1024 * 1024;

/** A link whose other end is the test. */
class TestLink implements Link {
  handlers: LinkHandlers | undefined;
  #closed = false;
  /** The last record that was sent. */
  record: Buffer = Buffer.alloc(0);
  /** Whether the session has ended: the link is closed, or has sent a new greeting. */
  get over(): boolean {
    return this.#closed || this.record[MARKER.length] === RECORD.here;
  }
  send(buffers: readonly Buffer[]): boolean {
    for (const bytes of buffers) if (bytes.indexOf(MARKER) === 0) this.record = bytes;
    return true;
  }
  listen(handlers: LinkHandlers): void {
    this.handlers = handlers;
  }
  discard(): void {}
  close(): void {
    this.#closed = true;
  }
}

type Random = () => number;
const below = (random: Random, limit: number) => Math.floor(random() * limit);
const oneOf = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)] as T;

function payload(random: Random, corpus: readonly unknown[]): Buffer {
  const text = JSON.stringify(oneOf(random, corpus));
  switch (below(random, 8)) {
    case 0:
      return Buffer.from("[".repeat(1 + below(random, 60_000)));
    case 1:
      return Buffer.from(text.replace(/[{[]/, (opening) => `${opening.repeat(1 + below(random, 3000))}`));
    case 2:
      return Buffer.from(Array.from({ length: below(random, 64) }, () => below(random, 256)));
    case 3: {
      const bytes = Buffer.from(text);
      bytes[below(random, bytes.length)] = below(random, 256);
      return bytes;
    }
    default:
      return Buffer.from(text);
  }
}

/** A frame that a broken or hostile peer might send. */
function hostileFrame(random: Random, corpus: readonly unknown[]): Buffer {
  const type = (1 + below(random, 8)) as FrameType;
  const json = type === FRAME.call || type === FRAME.message || type === FRAME.close;
  const empty = type === FRAME.end || type === FRAME.stop || type === FRAME.cancel;
  const credit = Buffer.from([0, below(random, 4), below(random, 256), 0]);
  const body = json
    ? payload(random, corpus)
    : empty
      ? undefined
      : type === FRAME.window
        ? credit
        : payload(random, corpus);
  const bytes = encodeFrame(type, below(random, 6), below(random, 3), body);
  if (random() < 0.02) bytes[below(random, Math.min(bytes.length, 12))] = below(random, 256);
  if (random() < 0.01) return bytes.subarray(0, below(random, bytes.length));
  if (random() < 0.005) return encodeRecord(oneOf(random, Object.keys(RECORD) as RecordKind[]), { token: "x" });
  return bytes;
}

/**
 * Sends frames to the link, in chunks of any size, until its session is over or `limit` is reached. Returns how many.
 */
async function tell(link: TestLink, random: Random, corpus: readonly unknown[], limit: number): Promise<number> {
  let told = 0;
  while (told < limit && !link.over) {
    const bytes = hostileFrame(random, corpus);
    told += 1;
    const cut = below(random, bytes.length + 1);
    link.handlers?.data(Buffer.from(bytes.subarray(0, cut)));
    if (!link.over) link.handlers?.data(Buffer.from(bytes.subarray(cut)));
    // Streams do their work in later turns of the event loop.
    if (told % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return told;
}

/** Runs work that must let no error escape and must not leak memory. */
async function contained(work: () => Promise<void>): Promise<void> {
  const escaped: unknown[] = [];
  const note = (error: unknown) => escaped.push(error);
  process.on("uncaughtException", note).on("unhandledRejection", note);
  const before = process.memoryUsage().rss;
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("uncaughtException", note).off("unhandledRejection", note);
  }
  expect(escaped).toEqual([]);
  expect(process.memoryUsage().rss - before).toBeLessThan(512 * MIB);
}

const SAID = [
  { type: "started" },
  { type: "exit", status: { kind: "exited", code: 0 } },
  { type: "exit", status: { kind: "signaled", signal: "SIGKILL" } },
  { ok: true },
  { ok: true, result: { cpu: { seconds: 1 }, memory: { bytes: 1 } } },
  { ok: false, error: { reason: "ENOENT", message: "\u001b[2J" } },
  { name: "a", type: "file", size: 1, mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNs: "0" },
];

it(
  `lets a host survive ${FRAMES} hostile frames, each call with a result or an error of ours (seed 1)`,
  () =>
    contained(async () => {
      const random = seeded(1);
      for (let told = 0; told < FRAMES; ) {
        const link = new TestLink();
        const session = new HostSession(link);
        const { token } = JSON.parse(link.record.subarray(MARKER.length + 3).toString());
        link.handlers?.data(encodeRecord("welcome", { token, protocol: 1, agent: "x", methods: [], bootId: "b" }));
        await session.welcome;
        const files = new RemoteFiles(session, 60_000);
        const calls: Promise<unknown>[] = [
          startProcess(session, request(["x"]), { timeout: 60_000 }).then(({ exit }) => exit),
          session.ask({ method: "metrics" }, MetricsSchema, { timeout: 60_000 }),
          files.list("/", {}),
          files.write("/a", {}).then(({ stream, done }) => {
            stream.end("content");
            return done;
          }),
          files.read("/a", {}).then((stream) => stream.resume()),
        ];
        const settled = Promise.allSettled(calls);
        told += await tell(link, random, SAID, Math.min(200, FRAMES - told));
        session.close();
        for (const result of await settled)
          if (result.status === "rejected" && !isInstanceError(result.reason)) throw result.reason;
        const ended = await session.closed;
        if (ended !== undefined && !isInstanceError(ended)) throw ended;
      }
    }),
  DEADLINE,
);

it(
  `lets an agent survive ${FRAMES} hostile frames, and welcome the next host (seed 2)`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-fuzz-"));
    await writeFile(join(folder, "file"), "x".repeat(100_000));
    // No mutation of these calls changes a file or starts a program, because the agent runs in this process.
    const asked = [
      { method: "ping" },
      { method: "metrics" },
      { method: "addresses" },
      { method: "info" },
      { method: "stat", path: join(folder, "file") },
      { method: "read", path: join(folder, "file") },
      { method: "list", path: folder },
      { method: "exec", argv: ["x"], env: {} },
      { method: "exec", argv: "x", env: null, tty: { columns: -1, rows: 1e308 } },
      { type: "signal", signal: "SIGZZZZ" },
      { type: "resize", columns: -1, rows: 1e308 },
      null,
      "x",
      [[]],
    ];
    try {
      await contained(async () => {
        const random = seeded(2);
        const link = new TestLink();
        new AgentSession(link, { tools: { freed() {} } as never, version: "0", dataSize: 32_000 }).listen();
        const hello = () => {
          link.record = Buffer.alloc(0);
          link.handlers?.data(encodeRecord("hello", { token: "0".repeat(32), protocols: [1] }));
          return link.record[MARKER.length];
        };
        for (let told = 0; told < FRAMES; ) {
          expect(hello()).toBe(RECORD.welcome);
          told += await tell(link, random, asked, Math.min(100, FRAMES - told));
        }
        expect(hello()).toBe(RECORD.welcome);
        link.handlers?.lost();
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  DEADLINE,
);
