import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { LayerFilter } from "../../../src/images/layer/filter.ts";
import { Judge } from "../../../src/images/layer/judge.ts";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import { file, folder, symlink, tarBytes } from "../support/tar-bytes.ts";

const limits = { bytes: 1e9, entries: 1e6, memory: 1e9 };
const judgeOf = (bytes: number) => {
  const options = { image: "img", limits: { ...limits, bytes }, whiteouts: true };
  return new Judge("img", new LayerFilter({ ...options, lower: new LowerLayers([]) }), options.limits);
};
async function* only(chunk: Buffer) {
  yield chunk;
}

describe("a Judge", () => {
  it("can be aborted in the middle of one chunk", async () => {
    const archive = tarBytes(...Array.from({ length: 40_000 }, (_, index) => file(`f${index}`, "")));
    const controller = new AbortController();
    const reason = new Error("enough");
    setImmediate(() => controller.abort(reason));
    let passed = 0;
    const rewrite = async () => {
      for await (const bytes of judgeOf(1e9).rewrite(only(archive), controller.signal)) passed += bytes.length;
    };
    await expect(rewrite()).rejects.toBe(reason);
    expect(passed).toBeLessThan(archive.length);
  });

  it("passes on what waited for the end in pieces", async () => {
    const archive = tarBytes(...Array.from({ length: 5000 }, (_, index) => symlink(`l${index}`, "x")));
    const pieces: number[] = [];
    const { signal } = new AbortController();
    const judge = judgeOf(1e9);
    for await (const bytes of judge.rewrite(only(archive), signal)) pieces.push(bytes.length);
    expect(Math.max(...pieces)).toBeLessThan(300_000);
    expect(judge.findings().entries).toBe(5000);
  });

  it("refuses an archive that has more bytes than its headers say", async () => {
    const archive = Buffer.concat([tarBytes(file("f")), Buffer.alloc(10_000)]);
    const { signal } = new AbortController();
    const rewrite = async () => {
      for await (const _bytes of judgeOf(10_000).rewrite(only(archive), signal));
    };
    await expect(rewrite()).rejects.toThrow(new ImageError("img", "it goes beyond 10000 bytes, the limit for a layer"));
  });

  it("accepts as many bytes as the limit, counts and hashes them, and reports at the end", async () => {
    const archive = tarBytes(folder("./"), file("f", "y".repeat(5000)));
    const judge = judgeOf(archive.length);
    expect(() => judge.findings()).toThrow(/has not ended/);
    async function* inTwo() {
      yield archive.subarray(0, 700);
      yield archive.subarray(700);
    }
    const passed: Buffer[] = [];
    const { signal } = new AbortController();
    for await (const bytes of judge.rewrite(inTwo(), signal)) passed.push(bytes);
    expect(judge.size).toBe(archive.length);
    expect(judge.digest()).toBe(`sha256:${createHash("sha256").update(archive).digest("hex")}`);
    expect(judge.findings()).toMatchObject({ entries: 2, devices: 0 });
    expect(Buffer.concat(passed).includes("y".repeat(5000))).toBe(true);
  });

  it("passes on the content of large files while it comes", async () => {
    const archive = tarBytes(file("f", "y".repeat(2_000_000)));
    const { signal } = new AbortController();
    const pieces: number[] = [];
    for await (const bytes of judgeOf(1e9).rewrite(only(archive), signal)) pieces.push(bytes.length);
    expect(pieces.length).toBeGreaterThan(5);
    expect(Math.min(...pieces.slice(0, -1))).toBeGreaterThanOrEqual(256 * 1024);
  });

  it("reports an archive that breaks off as an error of its image", async () => {
    const { signal } = new AbortController();
    const rewrite = async () => {
      for await (const _bytes of judgeOf(1e9).rewrite(only(Buffer.alloc(700)), signal));
    };
    await expect(rewrite()).rejects.toThrow(new ImageError("img", "the first tar entry is cut off"));
  });
});
