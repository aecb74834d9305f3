import { describe, expect, it } from "vitest";
import { KEPT, KeptOutput } from "../../src/guest/kept-output.ts";
import { MAX_PIECE, outputChunks } from "../../src/protocol/output-chunk.ts";

/** What a reader gets from a byte on. */
async function read(output: KeptOutput, offset = 0) {
  const decode = outputChunks(offset);
  const pieces = [];
  for await (const bytes of output.read(offset, false, new AbortController().signal)) {
    const decoded = decode(bytes);
    if (decoded === "malformed") throw new Error("malformed");
    pieces.push(...decoded);
  }
  return pieces;
}
const textOf = (pieces: Awaited<ReturnType<typeof read>>) =>
  Buffer.concat(pieces.map(({ data }) => data)).toString("latin1");

describe("the kept output of a program", () => {
  it("is what was printed last, whatever the sizes of the pieces", async () => {
    const output = new KeptOutput();
    let all = "";
    for (let n = 0; all.length < 3 * KEPT; n += 1) {
      const text = `${n} `.repeat((n * 7919) % 9000);
      output.add(n % 3 === 0 ? 2 : 1, Buffer.from(text));
      all += text;
    }
    const pieces = await read(output);
    const kept = textOf(pieces);
    expect(kept).toHaveLength(KEPT);
    expect(all.endsWith(kept)).toBe(true);
    expect(pieces[0]?.offset).toBe(all.length - KEPT);
    for (const at of [all.length - KEPT, all.length - 70_000, all.length - 1, all.length, all.length + 5])
      expect(textOf(await read(output, at))).toBe(all.slice(at));
  });

  it("takes a piece that is longer than all that is kept, and gives none that is longer than one may be", async () => {
    const output = new KeptOutput();
    output.add(1, Buffer.from("before"));
    output.add(2, Buffer.alloc(2 * KEPT, "x"));
    const pieces = await read(output);
    expect(textOf(pieces)).toBe("x".repeat(KEPT));
    expect(Math.max(...pieces.map(({ data }) => data.length))).toBeLessThanOrEqual(MAX_PIECE);
    expect(new Set(pieces.map(({ stream }) => stream))).toEqual(new Set([2]));
  });

  it("bounds the changes of the stream, and keeps the streams apart", async () => {
    const output = new KeptOutput();
    for (let n = 0; n < 40_000; n += 1) output.add(n % 2 === 0 ? 1 : 2, Buffer.from(n % 2 === 0 ? "o" : "e"));
    const pieces = await read(output);
    expect(pieces.length).toBeGreaterThan(10_000);
    expect(pieces.length).toBeLessThanOrEqual(16_384);
    expect(pieces.every(({ stream, data }) => data.toString() === (stream === 1 ? "o" : "e"))).toBe(true);
    expect((pieces.at(-1)?.offset ?? 0) + 1).toBe(40_000);
  });

  it("ends for a reader that stops at now, though more comes while it reads", async () => {
    const output = new KeptOutput();
    output.add(1, Buffer.alloc(100_000, "a"));
    const reading = output.read(0, false, new AbortController().signal);
    const first = await reading.next();
    output.add(1, Buffer.alloc(3 * KEPT, "b"));
    const decode = outputChunks(0);
    const pieces = [first.value ?? Buffer.alloc(0)].flatMap((bytes) => [...decode(bytes)] as { data: Buffer }[]);
    expect(String(pieces[0]?.data).startsWith("aaa")).toBe(true);
    expect((await reading.next()).done).toBe(true);
  });
});
