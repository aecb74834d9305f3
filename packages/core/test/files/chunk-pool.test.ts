import { describe, expect, it } from "vitest";
import { ChunkPool, giveBack } from "../../src/files/chunk-pool.ts";

describe("a pool of chunks", () => {
  it("gives out chunks of its size, each with memory of its own", () => {
    const pool = new ChunkPool(8);
    const [a, b] = [pool.take(), pool.take()];
    expect([a.length, a.buffer.byteLength, b.length]).toEqual([8, 8, 8]);
    expect(a.buffer).not.toBe(b.buffer);
  });

  it("gives out a whole chunk again when a part of it was given back", () => {
    const pool = new ChunkPool(8);
    const chunk = pool.take();
    giveBack(chunk.subarray(2, 3));
    const again = pool.take();
    expect(again.buffer).toBe(chunk.buffer);
    expect(again.length).toBe(8);
    giveBack(again);
    expect(pool.take().buffer).toBe(chunk.buffer);
  });

  it("gives out a chunk once that was given back twice", () => {
    const pool = new ChunkPool(8);
    const chunk = pool.take();
    giveBack(chunk);
    giveBack(chunk);
    expect(pool.take().buffer).not.toBe(pool.take().buffer);
  });

  it("takes back only its own chunks", () => {
    const [pool, other] = [new ChunkPool(8), new ChunkPool(8)];
    const [chunk, foreign] = [other.take(), Buffer.alloc(8)];
    giveBack(chunk);
    giveBack(foreign);
    expect([chunk.buffer, foreign.buffer]).not.toContain(pool.take().buffer);
    expect(other.take().buffer).toBe(chunk.buffer);
  });
});
