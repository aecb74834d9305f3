import { Duplex } from "node:stream";
import { isInstanceError, ProtocolError } from "@pileus/core";
import { expect, it } from "vitest";
import { QmpClient } from "../../src/qmp/index.ts";
import { parseMessage } from "../../src/qmp/message.ts";
import { GREETING } from "../support/fake-monitor.ts";

// mulberry32: small, seeded, good enough to vary input.
function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SEEDS = [
  JSON.stringify(GREETING),
  '{"return": {}, "id": 1}',
  '{"error": {"class": "GenericError", "desc": "x"}, "id": 2}',
  '{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}',
  '{"return": [[[[{"a": null}]]]], "id": "text"}',
];

function mutate(next: () => number): Buffer {
  const bytes = Buffer.from(SEEDS[Math.floor(next() * SEEDS.length)] ?? "");
  for (let n = Math.floor(next() * 6); n > 0; n--) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
  return bytes.subarray(0, Math.floor(next() * (bytes.length + 1)));
}

it("parses any line as a message or rejects it with ProtocolError", () => {
  const next = random(20_260_101);
  for (let i = 0; i < 5000; i++) {
    const line = mutate(next).toString("utf8");
    try {
      expect(["greeting", "return", "error", "event"]).toContain(parseMessage(line).kind);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
});

it("keeps a session alive through any input, in chunks of any size", async () => {
  const next = random(7);
  const sent: string[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk.toString());
      done();
      const { id, execute } = JSON.parse(chunk.toString()) as { id: number; execute: string };
      if (execute !== "stop") this.push(`${JSON.stringify({ return: { status: "x", running: true }, id })}\r\n`);
    },
  });
  stream.push(`${JSON.stringify(GREETING)}\r\n`);
  await using client = await QmpClient.open(stream, "fuzz", { maxLine: 200 });
  for (let i = 0; i < 3000; i++) {
    const bytes = mutate(next);
    const cut = Math.floor(next() * bytes.length);
    stream.push(bytes.subarray(0, cut));
    stream.push(Buffer.concat([bytes.subarray(cut), Buffer.from(next() < 0.9 ? "\n" : "")]));
  }
  stream.push("\n");
  await new Promise((resolve) => setImmediate(resolve));
  expect(await client.execute("query-status")).toEqual({ status: "x", running: true });
});

/** How many lines a session receives: see docs/testing.md. */
const LINES = Number(process.env["PILEUS_FUZZ"] ?? 20_000);

function hostileLine(next: () => number): Buffer {
  const depth = 1 + Math.floor(next() * 60_000);
  switch (Math.floor(next() * 40)) {
    case 0:
      return Buffer.from("[".repeat(depth));
    case 1:
      return Buffer.from(`{"return": ${"[".repeat(depth)}${"]".repeat(depth)}, "id": 2}`);
    case 2:
      return Buffer.from(
        `{"event": "SHUTDOWN", "data": {"guest": ${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}, "timestamp": {"seconds": 1, "microseconds": 1}}`,
      );
    case 3:
      return Buffer.from(`{"error": {"class": "x", "desc": "${"\u202e".repeat(depth)}"}, "id": 3}`);
    default:
      return mutate(next);
  }
}

it(
  `survives ${LINES} hostile lines, each command with a result or an error of ours`,
  async () => {
    const next = random(3);
    const escaped: unknown[] = [];
    const note = (error: unknown) => escaped.push(error);
    process.on("uncaughtException", note).on("unhandledRejection", note);
    const before = process.memoryUsage().rss;
    try {
      for (let told = 0; told < LINES; ) {
        const stream = new Duplex({
          read: () => undefined,
          write(chunk: Buffer, _encoding, done) {
            if (chunk.includes("qmp_capabilities")) this.push('{"return": {}, "id": 1}\n');
            done();
          },
        });
        stream.push(`${JSON.stringify(GREETING)}\n`);
        const client = await QmpClient.open(stream, "fuzz", { maxLine: 100_000 });
        const calls = Promise.allSettled([client.execute("query-status"), client.execute("stop"), client.call("x")]);
        for (let line = 0; line < 500 && told < LINES; line++, told++)
          stream.push(Buffer.concat([hostileLine(next), Buffer.from("\n")]));
        await new Promise((resolve) => setImmediate(resolve));
        await client.close();
        for (const call of await calls)
          if (call.status === "rejected" && !isInstanceError(call.reason)) throw call.reason;
      }
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("uncaughtException", note).off("unhandledRejection", note);
    }
    expect(escaped).toEqual([]);
    expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024);
  },
  60_000 + LINES * 5,
);
