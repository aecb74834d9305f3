import { expect, it } from "vitest";
import { encodeRecord, MAX_RECORD, RECORD, recordKind } from "../../src/protocol/record.ts";

it("knows each record by its byte, and no other byte", () => {
  for (const [kind, byte] of Object.entries(RECORD)) expect(recordKind(byte)).toBe(kind);
  expect(recordKind(0)).toBeUndefined();
});

it("encodes a record of the maximum size, and refuses a larger one", () => {
  const payload = { reason: "" };
  const room = MAX_RECORD - JSON.stringify(payload).length;
  const record = encodeRecord("refuse", { reason: "x".repeat(room) });
  expect(record.readUInt16BE(17)).toBe(MAX_RECORD);
  expect(record).toHaveLength(16 + 3 + MAX_RECORD);
  expect(() => encodeRecord("refuse", { reason: "x".repeat(room + 1) })).toThrow(RangeError);
});
