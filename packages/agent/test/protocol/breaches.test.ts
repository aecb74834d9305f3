import { describe, expect, it } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import { FRAME, type FrameType, INITIAL_CREDIT, MAX_CALLS, MAX_CREDIT } from "../../src/protocol/frame.ts";
import { Multiplexer } from "../../src/protocol/multiplexer.ts";

/** One half of a session whose link records what it is given, as `type/call/channel/payload`. */
function half(side: "host" | "agent", dataSize = 1024) {
  const sent: string[] = [];
  const breaches: string[] = [];
  const accepted: { call: Call; request: unknown }[] = [];
  let room = true;
  const calls = new Multiplexer({
    link: {
      send: (buffers) => {
        const [head, ...rest] = buffers.length > 1 && buffers[0]?.length === 12 ? [Buffer.concat(buffers)] : buffers;
        for (const frame of [head, ...rest] as Buffer[])
          sent.push([frame[1], frame.readUInt32BE(3), frame[2], frame.subarray(12).toString("latin1")].join("/"));
        return room;
      },
      listen: () => undefined,
      discard: () => undefined,
      close: () => undefined,
    },
    side,
    dataSize,
    accept: side === "agent" ? (call, request) => accepted.push({ call, request }) : undefined,
    violated: (reason, received) => breaches.push(`${reason}: ${received}`),
  });
  const frame = (type: FrameType, call: number, channel = 0, payload = Buffer.alloc(0)) =>
    calls.frame({ type, call, channel, length: payload.length }, payload);
  const data = (call: number, channel: number, bytes: string) =>
    calls.data({ type: FRAME.data, call, channel, length: bytes.length }, Buffer.from(bytes), true);
  return { calls, sent, breaches, accepted, frame, data, full: (is: boolean) => (room = !is) };
}

const credit = (bytes: number) => {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return payload;
};
const empty = Buffer.from("{}");

describe("a host's half", () => {
  it("numbers its calls from 1 and never twice", () => {
    const { calls, sent, frame } = half("host");
    calls.open(empty, () => undefined);
    frame(FRAME.close, 1, 0, Buffer.from('{"ok":true}'));
    calls.open(empty, () => undefined);
    expect(sent).toEqual(["1/1/0/{}", "1/2/0/{}"]);
    expect(calls.size).toBe(1);
  });

  it("hands messages and the outcome to their call, parsed and as raw bytes", () => {
    const { calls, frame, breaches } = half("host");
    const told: unknown[] = [];
    calls.open(empty, (call) => {
      call.handlers = {
        message: (message, payload) => told.push(message, String(payload)),
        closed: (outcome, payload) => {
          told.push(outcome, String(payload));
          return undefined;
        },
      };
    });
    frame(FRAME.message, 1, 0, Buffer.from('{ "a":1}'));
    frame(FRAME.close, 1, 0, Buffer.from('{ "ok":true}'));
    expect(told).toEqual([{ a: 1 }, '{ "a":1}', { ok: true }, '{ "ok":true}']);
    expect(breaches).toEqual([]);
  });

  it("fails streams that have not ended with the error of the outcome", () => {
    const { calls, frame } = half("host");
    const call = calls.open(empty, (made) => {
      made.reader(1);
      made.handlers = { closed: () => new Error("of the outcome") };
    });
    frame(FRAME.close, 1, 0, empty);
    expect(call.readerOf(1)?.errored).toEqual(new Error("of the outcome"));
  });

  it("works without listeners for messages and outcomes", () => {
    const { calls, frame, breaches } = half("host");
    calls.open(empty, () => undefined);
    frame(FRAME.message, 1, 0, empty);
    frame(FRAME.close, 1, 0, empty);
    expect([calls.size, breaches]).toEqual([0, []]);
  });

  it.each<[string, (of: ReturnType<typeof half>) => void, RegExp]>([
    ["a CALL", ({ frame }) => frame(FRAME.call, 9, 0, empty), /^a CALL from the agent/],
    ["a CANCEL", ({ frame }) => frame(FRAME.cancel, 1), /^a CANCEL from the agent/],
    ["a frame for no call", ({ frame }) => frame(FRAME.stop, 9), /^a frame of type 5 for call 9/],
    ["data for no call", ({ data }) => data(9, 1, "x"), /^DATA for call 9/],
    ["data for no channel", ({ data }) => data(1, 2, "x"), /^DATA for channel 2/],
    ["the END of no channel", ({ frame }) => frame(FRAME.end, 1, 2), /^an END of channel 2/],
    ["an END of a channel towards the agent", ({ frame }) => frame(FRAME.end, 1, 0), /^an END of channel 0/],
    [
      "a WINDOW for no channel",
      ({ frame }) => frame(FRAME.window, 1, 1, credit(1)),
      /^a WINDOW for a channel that is not open/,
    ],
    [
      "more credit than a channel may hold",
      ({ frame }) => frame(FRAME.window, 1, 0, credit(MAX_CREDIT - INITIAL_CREDIT + 1)),
      /^a WINDOW .* too large/,
    ],
    ["a message that is not JSON", ({ frame }) => frame(FRAME.message, 1, 0, Buffer.from("{")), /no[rt].* JSON.*: \{$/],
    ["an outcome that is not JSON", ({ frame }) => frame(FRAME.close, 1, 0, Buffer.from("{")), /no[rt].* JSON.*: \{$/],
  ])("reports %s as a breach", (_, say, reason) => {
    const of = half("host");
    of.calls.open(empty, (call) => {
      call.writer(0, "end");
      call.reader(1);
    });
    say(of);
    expect(of.breaches).toHaveLength(1);
    expect(of.breaches[0]).toMatch(reason);
  });

  it("reports a second END, and data after the first END, as a breach", () => {
    const { calls, frame, data, breaches } = half("host");
    calls.open(empty, (call) => call.reader(1));
    frame(FRAME.end, 1, 1);
    expect(breaches).toEqual([]);
    frame(FRAME.end, 1, 1);
    data(1, 1, "x");
    expect(breaches).toHaveLength(2);
  });

  it("gives credit, data and a STOP to their channel", async () => {
    const { calls, frame, data, breaches } = half("host");
    const call = calls.open(empty, (made) => {
      made.writer(0, "end");
      made.reader(1);
    });
    frame(FRAME.window, 1, 0, credit(MAX_CREDIT - INITIAL_CREDIT));
    data(1, 1, "output");
    frame(FRAME.stop, 1, 0);
    frame(FRAME.stop, 1, 2);
    expect(breaches).toEqual([]);
    expect(call.writerOf(0)?.destroyed).toBe(true);
    expect(String(call.readerOf(1)?.read())).toBe("output");
  });
});

describe("an agent's half", () => {
  it("begins the calls of its host", () => {
    const { frame, accepted, calls } = half("agent");
    frame(FRAME.call, 3, 0, Buffer.from('{"method":"ping"}'));
    expect(accepted.map(({ call, request }) => [call.id, request])).toEqual([[3, { method: "ping" }]]);
    expect(calls.size).toBe(1);
  });

  it("accepts what its host sent before it learned that the call was over", () => {
    const { frame, data, breaches } = half("agent");
    for (const type of [FRAME.message, FRAME.end, FRAME.stop, FRAME.window, FRAME.cancel] as const) frame(type, 9);
    data(9, 0, "x");
    expect(breaches).toEqual([]);
  });

  it("closes the calls beyond the limit of a session", () => {
    const { frame, accepted, sent, calls } = half("agent");
    for (let id = 1; id <= MAX_CALLS + 1; id += 1) frame(FRAME.call, id, 0, empty);
    expect([accepted.length, calls.size]).toEqual([MAX_CALLS, MAX_CALLS]);
    expect(sent).toEqual([expect.stringMatching(/^8\/1025\/0\/.*"reason":"EBUSY"/)]);
  });

  it("abandons a call that its host cancels", () => {
    const { frame, accepted, breaches } = half("agent");
    frame(FRAME.call, 1, 0, empty);
    frame(FRAME.cancel, 1);
    expect([accepted[0]?.call.cancelled, breaches]).toEqual([true, []]);
  });

  it.each<[string, (of: ReturnType<typeof half>) => void, RegExp]>([
    ["a CALL that is open", ({ frame }) => frame(FRAME.call, 1, 0, empty), /^CALL 1, which is already open/],
    ["a CLOSE", ({ frame }) => frame(FRAME.close, 1, 0, empty), /^a CLOSE from the host/],
    ["a request that is not JSON", ({ frame }) => frame(FRAME.call, 2, 0, Buffer.from("{")), /not JSON.*: \{$/],
  ])("reports %s as a breach, and does not serve it", (_, say, reason) => {
    const of = half("agent");
    of.frame(FRAME.call, 1, 0, empty);
    say(of);
    expect(of.breaches).toHaveLength(1);
    expect(of.breaches[0]).toMatch(reason);
    expect([of.accepted.length, of.calls.size]).toEqual([1, 1]);
  });
});

describe("a link", () => {
  const writers = (calls: Multiplexer, count: number) =>
    Array.from({ length: count }, () => {
      const call = calls.open(empty, (made) => made.writer(0, "nothing"));
      return call.writerOf(0) as NonNullable<ReturnType<typeof call.writerOf>>;
    });

  it("sends nothing over a full link until it has room again", () => {
    const { calls, sent, full } = half("host");
    full(true);
    const [writer] = writers(calls, 1);
    expect(sent).toEqual(["1/1/0/{}"]);
    writer?.write("data");
    calls.open(empty, () => undefined);
    expect(sent).toHaveLength(1);
    expect(calls.backlog).toBe(14);
    full(false);
    calls.drain();
    expect(sent).toEqual(["1/1/0/{}", "1/2/0/{}", "3/1/0/data"]);
    expect(calls.backlog).toBe(0);
  });

  it("lets channels with data take turns, one frame each, and sends their END last", async () => {
    const { calls, sent, full } = half("host", 2);
    const [one, two] = writers(calls, 2);
    full(true);
    calls.open(empty, () => undefined);
    sent.length = 0;
    one?.write("aaaa");
    two?.write("bbb");
    two?.end();
    full(false);
    calls.drain();
    await new Promise(setImmediate);
    expect(sent).toEqual(["3/1/0/aa", "3/2/0/bb", "3/1/0/aa", "3/2/0/b", "4/2/0/"]);
  });

  it("sends nothing and reports no breach after the session is over", () => {
    const { calls, sent, breaches, frame, data, full } = half("host");
    const [writer] = writers(calls, 1);
    const failures: Error[] = [];
    const call = calls.open(empty, (made) => {
      made.handlers = { failed: (error) => failures.push(error) };
    });
    full(true);
    calls.open(empty, () => undefined);
    sent.length = 0;
    writer?.write("never");
    call.send({ never: true });
    calls.destroy(new Error("lost"));
    calls.destroy(new Error("again"));
    expect(calls.backlog).toBe(0);
    full(false);
    calls.drain();
    calls.open(empty, (made) => made.writer(0, "nothing").write("late"));
    frame(FRAME.message, 99, 0, empty);
    data(99, 0, "x");
    expect(calls.backlog).toBe(0);
    expect([sent, breaches]).toEqual([[], []]);
    expect(failures).toEqual([new Error("lost")]);
    expect(writer?.errored).toEqual(new Error("lost"));
  });
});
