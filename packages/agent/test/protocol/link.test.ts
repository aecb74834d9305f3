import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { streamLink } from "../../src/protocol/link.ts";

/** A stream that writes only when the test lets it. */
function slow() {
  const written: string[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Duplex({
    writableHighWaterMark: 1,
    read: () => undefined,
    writev: (chunks, callback) => {
      written.push(chunks.map(({ chunk }) => chunk.toString("latin1")).join("|"));
      waiting.push(callback);
    },
  });
  const told: unknown[] = [];
  const link = streamLink(stream);
  link.listen({
    data: (chunk) => told.push(String(chunk)),
    drain: () => told.push("drain"),
    lost: (error) => told.push(["lost", error]),
    missing: () => 0,
  });
  return { stream, link, written, told, flush: () => waiting.shift()?.() };
}

const tick = () => new Promise(setImmediate);

describe("streamLink", () => {
  it("sends the buffers of one unit in one write", async () => {
    const { link, written } = slow();
    link.send([Buffer.from("head"), Buffer.from("body")]);
    await tick();
    expect(written).toEqual(["head|body"]);
  });

  it("is full at 128 KiB, and reports when it has room again", async () => {
    const { link, told, flush } = slow();
    expect(link.send([Buffer.alloc(128 * 1024 - 1)])).toBe(true);
    expect(link.send([Buffer.alloc(1)])).toBe(false);
    await tick();
    flush();
    await tick();
    flush();
    await tick();
    expect(told).toEqual(["drain"]);
  });

  it("delivers what arrives, and reports that the peer went away when the stream ends", async () => {
    const { stream, told } = slow();
    stream.push("bytes");
    stream.push(null);
    await tick();
    await tick();
    expect(told).toEqual(["bytes", ["lost", undefined]]);
    expect(stream.destroyed).toBe(true);
  });

  it("reports why the peer went away", async () => {
    const { stream, told } = slow();
    stream.destroy(new Error("reset"));
    await tick();
    expect(told).toEqual([["lost", new Error("reset")]]);
  });

  it("closes its stream, but leaves it open on discard", () => {
    const { stream, link } = slow();
    link.discard();
    expect(stream.destroyed).toBe(false);
    link.close();
    expect(stream.destroyed).toBe(true);
  });
});
