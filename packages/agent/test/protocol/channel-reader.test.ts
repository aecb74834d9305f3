import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { ChannelReader } from "../../src/protocol/channel-reader.ts";
import { INITIAL_CREDIT, MIN_COST } from "../../src/protocol/frame.ts";

function channel() {
  const said: string[] = [];
  const reader = new ChannelReader({
    grant: (credit) => said.push(`grant ${credit}`),
    stop: () => said.push("stop"),
  });
  reader.on("error", () => undefined);
  return { reader, said };
}

const KIB = 1024;

/** Delivers a whole frame of `length` bytes. */
const deliver = (reader: ChannelReader, length: number) => reader.deliver(Buffer.alloc(length), length);

describe("ChannelReader", () => {
  it("yields the bytes in order, and ends after the last byte", async () => {
    const { reader, said } = channel();
    reader.deliver(Buffer.from("one "), 4);
    reader.deliver(Buffer.from("two "), 8);
    reader.deliver(Buffer.from("more"), undefined);
    expect(reader.finished).toBe(false);
    expect(reader.finish()).toBe(true);
    expect(reader.finished).toBe(true);
    expect(String(await buffer(reader))).toBe("one two more");
    expect(said).toEqual([]);
  });

  it("ends when the END comes before the first read, and without any byte", async () => {
    const { reader } = channel();
    reader.finish();
    reader.resume();
    await once(reader, "end");
  });

  it("accepts exactly what its credit allows", () => {
    const { reader } = channel();
    for (let taken = 0; taken < INITIAL_CREDIT; taken += 64 * KIB) expect(deliver(reader, 64 * KIB)).toBe(true);
    expect(deliver(reader, 1)).toBe(false);
  });

  it.each([0, 1, MIN_COST - 1, MIN_COST])("charges the least cost for a frame of %i bytes", (length) => {
    const { reader } = channel();
    for (let count = 0; count < INITIAL_CREDIT / MIN_COST; count += 1) expect(deliver(reader, length)).toBe(true);
    expect(deliver(reader, length)).toBe(false);
  });

  it("charges a frame once, when it begins, for any number of pieces", () => {
    const { reader } = channel();
    expect(reader.deliver(Buffer.alloc(KIB), INITIAL_CREDIT)).toBe(true);
    for (let count = 0; count < 63; count += 1) expect(reader.deliver(Buffer.alloc(KIB), undefined)).toBe(true);
    expect(deliver(reader, 0)).toBe(false);
  });

  it("grants credit for the bytes that were read, once they are half of the credit", () => {
    const { reader, said } = channel();
    deliver(reader, 64 * KIB);
    reader.read();
    deliver(reader, 64 * KIB - 1);
    reader.read();
    expect(said).toEqual([]);
    deliver(reader, MIN_COST);
    expect(said).toEqual([`grant ${128 * KIB - 1 + MIN_COST}`]);
  });

  it("accepts as much again as it has granted", () => {
    const { reader, said } = channel();
    for (let round = 0; round < 20; round += 1) {
      for (let count = 0; count < 4; count += 1) expect(deliver(reader, 32 * KIB)).toBe(true);
      while (reader.read() !== null);
      expect(said).toHaveLength(round + 1);
    }
    expect(new Set(said)).toEqual(new Set([`grant ${128 * KIB}`]));
  });

  it("also grants what small frames cost beyond their bytes", async () => {
    const { reader, said } = channel();
    const frames = INITIAL_CREDIT / MIN_COST / 2;
    for (let count = 0; count < frames; count += 1) deliver(reader, 1);
    expect((await once(reader, "readable")) && reader.read()).toHaveLength(frames);
    expect(said).toEqual([`grant ${INITIAL_CREDIT / 2}`]);
  });

  it("grants nothing to a sender that has ended", () => {
    const { reader, said } = channel();
    for (let count = 0; count < 4; count += 1) deliver(reader, 64 * KIB);
    reader.finish();
    while (reader.read() !== null);
    expect(said).toEqual([]);
  });

  it("holds no more unread bytes than the granted credit", async () => {
    const { reader, said } = channel();
    for (let count = 0; count < 4; count += 1) deliver(reader, 64 * KIB);
    await new Promise(setImmediate);
    expect(said).toEqual([]);
    expect(reader.readableLength).toBe(64 * KIB);
  });

  it("refuses bytes after its end, and a second end", () => {
    const { reader } = channel();
    expect(reader.finish()).toBe(true);
    expect(reader.finish()).toBe(false);
    expect(deliver(reader, 1)).toBe(false);
    expect(reader.deliver(Buffer.alloc(0), undefined)).toBe(false);
  });

  it("tells its sender to stop when it is destroyed before the end, and gives its reader the reason", async () => {
    const { reader, said } = channel();
    const broken = once(reader, "error");
    reader.destroy(new Error("enough"));
    expect(await broken).toEqual([new Error("enough")]);
    expect(said).toEqual(["stop"]);
  });

  it("sends nothing to its sender when it is destroyed after the end", async () => {
    const { reader, said } = channel();
    reader.finish();
    reader.destroy();
    await once(reader, "close");
    expect(said).toEqual([]);
  });

  it("drops later bytes after it is destroyed, but still enforces the credit", () => {
    const { reader } = channel();
    reader.destroy();
    for (let taken = 0; taken < INITIAL_CREDIT; taken += 64 * KIB) expect(deliver(reader, 64 * KIB)).toBe(true);
    expect(deliver(reader, 1)).toBe(false);
    expect(reader.readableLength).toBe(0);
  });

  it("copies a small piece, which would keep the chunk in memory, but not a large one", () => {
    const chunk = Buffer.alloc(64 * KIB);
    const { reader } = channel();
    reader.deliver(chunk.subarray(0, 16 * KIB - 1), 16 * KIB - 1);
    expect(reader.read().buffer).not.toBe(chunk.buffer);
    reader.deliver(chunk.subarray(0, 16 * KIB), 16 * KIB);
    expect(reader.read().buffer).toBe(chunk.buffer);
  });
});
