import { describe, expect, it } from "vitest";
import {
  dataCost,
  encodeFrame,
  encodeHeader,
  FRAME,
  type FrameType,
  MAX_CALL,
  MAX_CHANNEL,
  MAX_DATA,
  MAX_MESSAGE,
  MIN_COST,
  parseHeader,
} from "../../src/protocol/frame.ts";

describe("parseHeader", () => {
  it.each<[keyof typeof FRAME, number]>([
    ["call", MAX_CALL],
    ["message", MAX_MESSAGE],
    ["data", MAX_DATA],
    ["end", 0],
    ["stop", 0],
    ["window", 4],
    ["cancel", 0],
    ["close", MAX_MESSAGE],
  ])("accepts a frame %s of %i bytes, but not one byte more", (name, most) => {
    const type = FRAME[name];
    const header = { type, channel: MAX_CHANNEL, call: 0xfffffffe, length: most };
    expect(parseHeader(encodeHeader(type, 0xfffffffe, MAX_CHANNEL, most))).toEqual(header);
    expect(parseHeader(encodeHeader(type, 1, 0, most + 1))).toMatch(
      /^\d+ bytes in a frame of type \d, but the limit is \d+/,
    );
  });

  it.each([0, 1, 3])("refuses a WINDOW of %i bytes", (length) => {
    expect(parseHeader(encodeHeader(FRAME.window, 1, 0, length))).toBe(`a WINDOW of ${length} bytes, not 4`);
  });

  it("refuses a channel after the last", () => {
    expect(parseHeader(encodeHeader(FRAME.end, 1, MAX_CHANNEL + 1, 0))).toMatch(/^channel 3/);
  });

  it.each([0, 9, 255])("refuses type %i", (type) => {
    expect(parseHeader(encodeHeader(type as FrameType, 1, 0, 0))).toBe(`an unknown frame type ${type}`);
  });

  it.each([0, 11])("refuses a header whose byte %i is not 00", (at) => {
    const header = encodeHeader(FRAME.end, 1, 0, 0);
    header[at] = 1;
    expect(parseHeader(header)).toMatch(/begin and end with 00/);
  });
});

it("encodes a frame with and without a payload", () => {
  expect(encodeFrame(FRAME.end, 1, 2)).toEqual(encodeHeader(FRAME.end, 1, 2, 0));
  expect(encodeFrame(FRAME.data, 1, 2, Buffer.from("x"))).toEqual(
    Buffer.concat([encodeHeader(FRAME.data, 1, 2, 1), Buffer.from("x")]),
  );
});

it("charges data by its bytes, but at least the least cost", () => {
  expect([0, MIN_COST, MIN_COST + 1].map(dataCost)).toEqual([MIN_COST, MIN_COST, MIN_COST + 1]);
});
