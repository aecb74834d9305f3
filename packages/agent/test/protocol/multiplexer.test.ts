import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { describe, expect, it } from "vitest";
import { within } from "../../../core/src/testing/kit/expect.ts";
import type { Call } from "../../src/protocol/call.ts";
import { Deframer } from "../../src/protocol/deframer.ts";
import { INITIAL_CREDIT, MAX_CALLS } from "../../src/protocol/frame.ts";
import { streamLink } from "../../src/protocol/link.ts";
import { MAX_BACKLOG, Multiplexer } from "../../src/protocol/multiplexer.ts";
import { encodeRecord, MARKER } from "../../src/protocol/record.ts";
import { streamPair } from "../support/stream-pair.ts";

/** The host's and the agent's half of a session on one stream, without the handshake. */
function pair(accept: (call: Call, request: unknown) => void) {
  const [one, two] = streamPair();
  const breaches: string[] = [];
  const half = (stream: typeof one, side: "host" | "agent") => {
    const link = streamLink(stream);
    const calls = new Multiplexer({
      link,
      side,
      dataSize: 32 * 1024,
      accept: side === "agent" ? accept : undefined,
      violated: (reason) => breaches.push(`${side}: ${reason}`),
    });
    const deframer = new Deframer({
      record: () => true,
      frame: (header, payload) => calls.frame(header, payload),
      data: (header, piece, first) => calls.data(header, piece, first),
      malformed: (reason) => breaches.push(`${side}: ${reason}`),
    });
    link.listen({
      data: (chunk) => deframer.push(chunk),
      drain: () => calls.drain(),
      lost: () => calls.destroy(new Error("lost")),
      missing: () => 0,
    });
    stream.write(encodeRecord("here"));
    return calls;
  };
  return { host: half(one, "host"), agent: half(two, "agent"), breaches };
}

/** An agent that sends back what it receives. */
function echo(call: Call): void {
  void pipeline(call.reader(0), call.writer(1, "nothing")).then(() => call.close({ ok: true }));
}

const request = Buffer.from("{}");

function open(host: Multiplexer) {
  let channels: { input: ReturnType<Call["writer"]>; output: ReturnType<Call["reader"]> } | undefined;
  const call = host.open(request, (made) => {
    channels = { input: made.writer(0, "end"), output: made.reader(1) };
  });
  if (channels === undefined) throw new Error("prepare was not called");
  return { call, ...channels };
}

describe("Multiplexer", () => {
  it("carries bytes both ways unchanged, including markers", async () => {
    const { host, breaches } = pair(echo);
    const { input, output } = open(host);
    const bytes = Buffer.concat(
      Array.from({ length: 5000 }, (_, i) => Buffer.concat([MARKER, Buffer.alloc(i % 190, i)])),
    );
    input.end(bytes);
    expect((await buffer(output)).equals(bytes)).toBe(true);
    expect(breaches).toEqual([]);
  });

  it("holds back only a sender whose receiver does not read", async () => {
    const { host } = pair(echo);
    const slow = open(host);
    slow.input.write(Buffer.alloc(8 * INITIAL_CREDIT));
    for (let round = 0; round < 20; round += 1) {
      const quick = open(host);
      quick.input.end("quick");
      expect((await buffer(quick.output)).toString()).toBe("quick");
    }
    expect(slow.output.readableLength).toBeLessThanOrEqual(INITIAL_CREDIT);
    // The credit of both directions and the buffers of both ends.
    expect(slow.input.writableLength).toBe(8 * INITIAL_CREDIT);
    slow.input.end();
    expect((await buffer(slow.output)).length).toBe(8 * INITIAL_CREDIT);
  });

  it("lets a short call pass a long transfer", async () => {
    const { host } = pair(echo);
    const long = open(host);
    const received = buffer(long.output);
    long.input.end(Buffer.alloc(64 * INITIAL_CREDIT));
    const quick = open(host);
    quick.input.end("quick");
    await expect(Promise.race([received.then(() => "long"), buffer(quick.output).then(String)])).resolves.toBe("quick");
    expect((await received).length).toBe(64 * INITIAL_CREDIT);
  });

  it("tells the sender when the receiver is destroyed", async () => {
    let sent: ReturnType<Call["writer"]> | undefined;
    const { host } = pair((call) => {
      sent = call.writer(1, "nothing");
      sent.write("first");
    });
    const { output } = open(host);
    await once(output, "readable");
    output.destroy();
    if (sent === undefined) throw new Error("no call");
    await within(5000, "the receiver's STOP", once(sent, "close"));
    expect(sent.destroyed).toBe(true);
  });

  it("closes the streams of a cancelled call at both ends, and forgets the call when the agent has closed it", async () => {
    const closed: string[] = [];
    const { host, agent } = pair((call) => {
      const input = call.reader(0);
      input.once("close", () => closed.push("input"));
      call.handlers = { cancelled: () => call.close({ ok: true }) };
    });
    const { call, input } = open(host);
    input.write("begun");
    const end = new Promise<void>((resolve) => {
      call.handlers = {
        closed: () => {
          resolve();
          return undefined;
        },
      };
    });
    call.cancel();
    await end;
    await Promise.resolve();
    expect(input.destroyed).toBe(true);
    expect(closed).toEqual(["input"]);
    expect([host.size, agent.size]).toEqual([0, 0]);
  });

  it("refuses a call beyond the limit of concurrent calls", async () => {
    const { host } = pair(() => undefined);
    for (let count = 0; count < MAX_CALLS; count += 1) host.open(request, () => undefined);
    const outcome = await new Promise<unknown>((resolve) => {
      host.open(request, (call) => {
        call.handlers = {
          closed: (said) => {
            resolve(said);
            return undefined;
          },
        };
      });
    });
    expect(outcome).toMatchObject({ ok: false, error: { reason: "EBUSY" } });
  });

  it("fails every call when the stream is lost", async () => {
    const [, , failures] = await (async () => {
      const { host, agent } = pair(() => undefined);
      const failed: string[] = [];
      const { call, output } = open(host);
      call.handlers = { failed: (error) => failed.push(error.message) };
      const broken = once(output, "error");
      host.destroy(new Error("lost"));
      await broken;
      return [host, agent, failed] as const;
    })();
    expect(failures).toEqual(["lost"]);
  });
});

describe("a peer that does not read", () => {
  it("has a bounded queue of what it is sent, and breaks the protocol when that is full", () => {
    const breaches: string[] = [];
    let sent = 0;
    const link = {
      send: (buffers: readonly Buffer[]) => {
        sent += buffers.length;
        return false;
      },
      listen: () => undefined,
      discard: () => undefined,
      close: () => undefined,
    };
    const host = new Multiplexer({ link, side: "host", dataSize: 1024, violated: (reason) => breaches.push(reason) });
    const text = { text: "x".repeat(1024 * 1024) };
    const call = host.open(request, () => undefined);
    for (let at = 0; at < 100 && breaches.length === 0; at += 1) {
      call.send(text);
      expect(host.backlog).toBeLessThanOrEqual(MAX_BACKLOG + 2 * 1024 * 1024);
    }
    expect(breaches).toEqual(["it does not read what it is sent"]);
    expect(sent).toBe(1);
  });
});
