import { expect, it } from "vitest";
import { ByteCollector } from "../../src/system/byte-collector.ts";

it("joins chunks of any size", () => {
  const collected = new ByteCollector();
  expect(collected.bytes()).toEqual(Buffer.alloc(0));
  const chunks = ["", "a", "bc", "d".repeat(10_000), "", "é"];
  for (const chunk of chunks) collected.append(Buffer.from(chunk));
  expect(collected.bytes().toString()).toBe(chunks.join(""));
  expect(collected.size).toBe(10_005);
});
