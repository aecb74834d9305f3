import { describe, expect, it } from "vitest";
import { Call, type CallHandlers } from "../../src/protocol/call.ts";
import { FRAME, type FrameType } from "../../src/protocol/frame.ts";

const NAMES = new Map<FrameType, string>(Object.entries(FRAME).map(([name, type]) => [type, name]));

/** A call whose session records what it is asked for. */
function begun(handlers: CallHandlers = {}) {
  const said: string[] = [];
  const call = new Call(
    {
      control: (type, id, channel, payload) =>
        said.push(
          `${NAMES.get(type)} ${id} ${channel}${payload === undefined ? "" : ` ${payload.toString("latin1")}`}`,
        ),
      ready: (_call, channel) => said.push(`ready ${channel}`),
      forget: ({ id }) => said.push(`forget ${id}`),
    },
    7,
  );
  call.handlers = handlers;
  const input = call.writer(0, "cancel");
  const output = call.reader(1);
  return { call, said, input, output };
}

const ended = new Error("the session ended");

describe("Call", () => {
  it("finds its channels by their number", () => {
    const { call, input, output } = begun();
    expect([call.writerOf(0), call.readerOf(1)]).toEqual([input, output]);
    expect([call.writerOf(1), call.readerOf(0)]).toEqual([undefined, undefined]);
  });

  it("sends messages, STOPs and grants with its number and the channel's", () => {
    const { call, said, output } = begun();
    call.send({ type: "started" });
    output.deliver(Buffer.alloc(128 * 1024), 128 * 1024);
    output.destroy();
    expect(said).toEqual(['message 7 0 {"type":"started"}', "window 7 1 \0\x02\0\0", "stop 7 1"]);
  });

  it("has received everything when each of its readers has ended or was destroyed", () => {
    const { call, output } = begun();
    const second = call.reader(2);
    expect(call.received).toBe(false);
    output.finish();
    expect(call.received).toBe(false);
    second.destroy();
    expect(call.received).toBe(true);
  });

  it("has sent everything when each of its writers has sent its end", async () => {
    const { call, input } = begun();
    const second = call.writer(1, "nothing");
    input.end();
    await new Promise(setImmediate);
    expect(input.take(1)).toBe("end");
    await new Promise(setImmediate);
    expect(call.sent).toBe(false);
    second.end();
    await new Promise(setImmediate);
    second.take(1);
    await new Promise(setImmediate);
    expect(call.sent).toBe(true);
  });

  it("sends one CANCEL, closes its streams with the reason, and then sends nothing more", () => {
    const { call, said, input, output } = begun();
    expect(call.cancelled).toBe(false);
    call.cancel(ended);
    call.cancel();
    call.send({ late: true });
    expect(call.cancelled).toBe(true);
    expect(said).toEqual(["cancel 7 0"]);
    expect([input.errored, output.errored]).toEqual([ended, ended]);
  });

  it("cancels when a writer is destroyed that was made for that", () => {
    const { call, said, input } = begun();
    input.destroy();
    expect(call.cancelled).toBe(true);
    expect(said).toEqual(["cancel 7 0"]);
  });

  it("leaves streams that have ended as they are when it is cancelled", async () => {
    const { call, input, output } = begun();
    input.end();
    await new Promise(setImmediate);
    input.take(1);
    output.deliver(Buffer.from("unread"), 6);
    output.finish();
    await new Promise(setImmediate);
    call.cancel(ended);
    expect([input.errored, output.errored]).toEqual([null, null]);
    expect(String(output.read())).toBe("unread");
  });

  it("tells its server once when the host cancels it, and then sends only CLOSE", () => {
    let told = 0;
    const { call, said, input, output } = begun({ cancelled: () => (told += 1) });
    call.abandon();
    call.abandon();
    call.send({ late: true });
    expect([told, input.destroyed, output.destroyed, call.cancelled]).toEqual([1, true, true, true]);
    call.close({ ok: true });
    expect(said).toEqual(['close 7 0 {"ok":true}', "forget 7"]);
  });

  it("sends one CLOSE, closes its streams, and then sends nothing more", () => {
    const { call, said, input, output } = begun();
    call.close({ ok: true });
    call.close({ ok: true });
    call.send({ late: true });
    call.cancel();
    call.abandon();
    call.over(ended);
    expect(said).toEqual(['close 7 0 {"ok":true}', "forget 7"]);
    expect([input.destroyed, output.destroyed, call.cancelled]).toEqual([true, true, false]);
    expect([input.errored, output.errored]).toEqual([null, null]);
  });

  it("fails its streams and its handler once when the session breaks", () => {
    const failures: Error[] = [];
    const { call, said, input, output } = begun({ failed: (error) => failures.push(error) });
    call.fail(ended);
    call.fail(new Error("again"));
    expect(failures).toEqual([ended]);
    expect([input.errored, output.errored]).toEqual([ended, ended]);
    expect(said).toEqual(["forget 7"]);
  });

  it("works without handlers", () => {
    begun().call.abandon();
    begun().call.fail(ended);
  });

  it("asks for the link while it is open, and not after it is over", () => {
    const { call, said } = begun();
    const lasting = call.writer(2, "end");
    lasting.write("x");
    expect(said).toEqual(["ready 2"]);
    call.over(undefined);
    said.length = 0;
    lasting.destroy();
    call.writer(1, "end").destroy();
    expect(said).toEqual([]);
  });
});
