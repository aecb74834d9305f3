import { expect, it } from "vitest";
import { Deframer } from "../../src/protocol/deframer.ts";
import { encodeFrame, FRAME, type FrameType } from "../../src/protocol/frame.ts";
import { encodeRecord, type RecordKind } from "../../src/protocol/record.ts";
import { readVectors } from "../support/vectors.ts";

const token = "000102030405060708090a0b0c0d0e0f";
const RECORDS: Record<RecordKind, object | undefined> = {
  hello: { token, protocols: [1] },
  welcome: { token, protocol: 1, agent: "0.0.0", methods: ["ping"], bootId: "b" },
  here: undefined,
  bye: undefined,
  refuse: { reason: "no" },
};
const json = (value: object) => Buffer.from(JSON.stringify(value));
const FRAMES: Record<keyof typeof FRAME, [call: number, channel: number, payload?: Buffer]> = {
  call: [1, 0, json({ method: "ping" })],
  message: [1, 0, json({ type: "exit", status: { kind: "exited", code: 7 } })],
  data: [1, 2, Buffer.from("err\n")],
  end: [1, 2],
  stop: [1, 0],
  window: [1, 1, Buffer.from([0, 2, 0, 0])],
  cancel: [258, 0],
  close: [1, 0, json({ ok: true })],
};
const vectors = readVectors();

it("has a vector for each record and each frame, and no other", () => {
  expect([...vectors.keys()].sort()).toEqual([...Object.keys(RECORDS), ...Object.keys(FRAMES)].sort());
});

it.each(Object.entries(RECORDS))("encodes and reads the record %s as documented", (name, payload) => {
  const bytes = encodeRecord(name as RecordKind, payload);
  expect(bytes.toString("hex")).toBe(vectors.get(name)?.toString("hex"));
  const found: unknown[] = [];
  const deframer = new Deframer({
    record: (kind, body) => found.push([kind, body.toString()]) > 0,
    frame: () => found.push("frame"),
    data: () => found.push("data"),
    malformed: (reason) => found.push(reason),
  });
  deframer.push(bytes);
  expect(found).toEqual([[name, payload === undefined ? "" : JSON.stringify(payload)]]);
});

it.each(Object.entries(FRAMES))("encodes and reads the frame %s as documented", (name, [call, channel, payload]) => {
  const type: FrameType = FRAME[name as keyof typeof FRAME];
  const bytes = encodeFrame(type, call, channel, payload);
  expect(bytes.toString("hex")).toBe(vectors.get(name)?.toString("hex"));
  const found: unknown[] = [];
  const deframer = new Deframer({
    record: () => true,
    frame: (header, body) => found.push([header.type, header.call, header.channel, body.toString("hex")]),
    data: (header, body) => found.push([header.type, header.call, header.channel, body.toString("hex")]),
    malformed: (reason) => found.push(reason),
  });
  deframer.push(Buffer.concat([encodeRecord("here"), bytes]));
  expect(found).toEqual([[type, call, channel, payload?.toString("hex") ?? ""]]);
});
