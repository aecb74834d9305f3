import { expect, it } from "vitest";
import { ByteCollector } from "../../src/system/byte-collector.ts";

it("takes no more memory than the limit, and nothing beyond it", () => {
  const collected = new ByteCollector(100_000);
  collected.append(Buffer.alloc(60_000, "a"));
  collected.append(Buffer.alloc(30_000, "b"));
  expect(collected.bytes().buffer.byteLength).toBe(100_000);
  expect(() => collected.append(Buffer.alloc(10_001))).toThrow(RangeError);
  collected.append(Buffer.alloc(10_000, "c"));
  expect(collected.bytes().toString()).toBe("a".repeat(60_000) + "b".repeat(30_000) + "c".repeat(10_000));
});

it("joins chunks of any size", () => {
  const collected = new ByteCollector();
  expect(collected.bytes()).toEqual(Buffer.alloc(0));
  const chunks = ["", "a", "bc", "d".repeat(10_000), "", "é"];
  for (const chunk of chunks) collected.append(Buffer.from(chunk));
  expect(collected.bytes().toString()).toBe(chunks.join(""));
  expect(collected.size).toBe(10_005);
});
