import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { ChannelWriter, type Destroyed } from "../../src/protocol/channel-writer.ts";
import { INITIAL_CREDIT, MAX_CREDIT, MIN_COST } from "../../src/protocol/frame.ts";
import { MARKER } from "../../src/protocol/record.ts";

function channel(destroyed: Destroyed = "nothing") {
  const said: string[] = [];
  const writer = new ChannelWriter({ ready: () => said.push("ready"), cancel: () => said.push("cancel") }, destroyed);
  writer.on("error", () => undefined);
  return { writer, said };
}

const KIB = 1024;
const size = (taken: unknown) => (Buffer.isBuffer(taken) ? taken.length : taken);

describe("ChannelWriter", () => {
  it("announces once that it has bytes to send, and returns them in pieces of at most the limit", () => {
    const { writer, said } = channel();
    expect(writer.waiting).toBe(false);
    expect(writer.take(100)).toBeUndefined();
    writer.write("0123456789");
    expect(said).toEqual(["ready"]);
    expect(writer.waiting).toBe(true);
    expect([String(writer.take(4)), String(writer.take(4))]).toEqual(["0123", "4567"]);
    expect(writer.waiting).toBe(true);
    expect(String(writer.take(4))).toBe("89");
    expect(writer.waiting).toBe(false);
    expect(writer.take(4)).toBeUndefined();
  });

  it("completes a write when its last byte is taken", () => {
    const { writer } = channel();
    writer.write("abc");
    writer.write("def");
    writer.take(2);
    expect(writer.writableLength).toBe(6);
    writer.take(2);
    expect(writer.writableLength).toBe(3);
  });

  it("completes an empty write without waiting for the link", async () => {
    const { writer, said } = channel();
    await new Promise<void>((resolve, reject) => writer.write(Buffer.alloc(0), (e) => (e ? reject(e) : resolve())));
    expect(said).toEqual([]);
    expect(writer.take(1)).toBeUndefined();
  });

  it("sends no more than its credit, and continues when the receiver grants a frame's least cost", () => {
    const { writer, said } = channel();
    writer.write(Buffer.alloc(INITIAL_CREDIT + 300));
    expect(size(writer.take(2 ** 30))).toBe(INITIAL_CREDIT);
    expect(writer.waiting).toBe(false);
    expect(writer.take(2 ** 30)).toBeUndefined();
    expect(writer.grant(MIN_COST - 1)).toBe(true);
    expect(writer.waiting).toBe(false);
    expect(writer.take(2 ** 30)).toBeUndefined();
    expect(said).toEqual(["ready"]);
    writer.grant(1);
    expect(said).toEqual(["ready", "ready"]);
    expect(writer.waiting).toBe(true);
    expect(size(writer.take(2 ** 30))).toBe(MIN_COST);
    expect(writer.waiting).toBe(false);
  });

  it("does not ask for the link without credit", () => {
    const { writer, said } = channel();
    writer.write(Buffer.alloc(INITIAL_CREDIT - MIN_COST + 1));
    writer.take(2 ** 30);
    writer.write("more");
    expect(said).toEqual(["ready"]);
    expect(writer.waiting).toBe(false);
    expect(writer.take(2 ** 30)).toBeUndefined();
  });

  it("asks for the link with the last of its credit", () => {
    const { writer, said } = channel();
    writer.write(Buffer.alloc(INITIAL_CREDIT - MIN_COST));
    writer.take(2 ** 30);
    writer.write("more");
    expect(said).toEqual(["ready", "ready"]);
    expect(String(writer.take(2 ** 30))).toBe("more");
  });

  it("does not ask for the link when credit comes and it has nothing to send", () => {
    const { writer, said } = channel();
    expect(writer.grant(1)).toBe(true);
    expect(said).toEqual([]);
  });

  it("pays the least cost for a small frame", () => {
    const { writer } = channel();
    const frames = INITIAL_CREDIT / MIN_COST;
    writer.write(Buffer.alloc(frames + 1));
    for (let count = 0; count < frames; count += 1) expect(size(writer.take(1))).toBe(1);
    expect(writer.take(1)).toBeUndefined();
  });

  it("accepts as much credit as a channel may hold, and no more", () => {
    const { writer } = channel();
    expect(writer.grant(MAX_CREDIT - INITIAL_CREDIT)).toBe(true);
    expect(writer.grant(1)).toBe(false);
  });

  it.each([0, 1, 100])("splits a marker at byte %i over two frames", (at) => {
    const { writer } = channel();
    writer.write(Buffer.concat([Buffer.alloc(at), MARKER, Buffer.alloc(7)]));
    expect(size(writer.take(KIB))).toBe(at + MARKER.length / 2);
    expect(size(writer.take(KIB))).toBe(MARKER.length / 2 + 7);
  });

  it("ends with its last byte, once, and without credit", async () => {
    const { writer, said } = channel();
    writer.write(Buffer.alloc(INITIAL_CREDIT));
    writer.end();
    expect(size(writer.take(2 ** 30))).toBe(INITIAL_CREDIT);
    const finished = once(writer, "finish");
    await new Promise(setImmediate);
    expect(said).toEqual(["ready", "ready"]);
    expect(writer.waiting).toBe(true);
    expect(writer.take(1)).toBe("end");
    await finished;
    expect(writer.waiting).toBe(false);
    expect(writer.take(1)).toBeUndefined();
  });

  it.each<[Destroyed, string[], unknown]>([
    ["end", ["ready"], "end"],
    ["cancel", ["cancel"], undefined],
    ["nothing", [], undefined],
  ])("sends what it was made for when it is destroyed before its end: %s", (destroyed, expected, taken) => {
    const { writer, said } = channel(destroyed);
    writer.write("never sent");
    said.length = 0;
    writer.destroy();
    expect(said).toEqual(expected);
    expect(writer.take(100)).toBe(taken);
  });

  it.each<Destroyed>(["end", "cancel", "nothing"])(
    "sends nothing when it is destroyed after its end: %s",
    async (how) => {
      const { writer, said } = channel(how);
      writer.end();
      await new Promise(setImmediate);
      expect(writer.take(1)).toBe("end");
      said.length = 0;
      writer.destroy();
      expect(said).toEqual([]);
      expect(writer.take(1)).toBeUndefined();
    },
  );

  it.each<Destroyed>(["end", "cancel", "nothing"])("halts without a message to the peer: %s", async (how) => {
    const { writer, said } = channel(how);
    writer.write("never sent");
    said.length = 0;
    const broken = once(writer, "error");
    writer.halt(new Error("over"));
    expect(await broken).toEqual([new Error("over")]);
    expect(said).toEqual([]);
    expect(writer.take(1)).toBeUndefined();
  });
});
