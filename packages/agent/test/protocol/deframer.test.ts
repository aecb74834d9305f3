import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { Deframer } from "../../src/protocol/deframer.ts";
import { encodeFrame, encodeHeader, FRAME, MAX_CALL, MAX_DATA } from "../../src/protocol/frame.ts";
import { encodeRecord, MARKER, MAX_RECORD } from "../../src/protocol/record.ts";
import { seeded } from "../support/random.ts";

/** What a deframer finds, with the pieces of each DATA frame joined. */
class Found {
  readonly events: string[] = [];
  readonly deframer: Deframer;
  #data: Buffer[] = [];

  constructor(accept: (payload: string) => boolean = () => true, from: "host" | "agent" = "host") {
    this.deframer = new Deframer({
      calls: from === "host",
      record: (kind, payload) => {
        this.#flush();
        this.events.push(`${kind} ${payload}`);
        return accept(payload.toString());
      },
      frame: (header, payload) => {
        this.#flush();
        this.events.push(`frame ${header.type} ${header.call} ${payload}`);
      },
      data: (header, piece, first) => {
        if (first) {
          this.#flush();
          this.events.push(`data ${header.call}`);
        }
        this.#data.push(Buffer.from(piece));
      },
      malformed: (reason) => {
        this.#flush();
        this.events.push(`malformed ${reason}`);
      },
    });
  }

  #flush(): void {
    if (this.#data.length > 0) this.events[this.events.length - 1] += ` ${Buffer.concat(this.#data).toString("hex")}`;
    this.#data = [];
  }

  get all(): string[] {
    this.#flush();
    return this.events;
  }
}

const here = encodeRecord("here");
const close = encodeFrame(FRAME.close, 1, 0, Buffer.from('{"ok":true}'));

function inChunks(bytes: Buffer, size: number): Found {
  const found = new Found();
  for (let at = 0; at < bytes.length; at += size) found.deframer.push(bytes.subarray(at, at + size));
  return found;
}

describe("Deframer", () => {
  it("discards everything before the first marker", () => {
    const found = new Found();
    found.deframer.push(Buffer.concat([Buffer.from("stale \0\0 bytes"), close, MARKER.subarray(0, 9), here, close]));
    expect(found.all).toEqual(["here ", 'frame 8 1 {"ok":true}']);
  });

  it("finds the same in chunks of any size", () => {
    const data = Buffer.concat([
      Buffer.alloc(50, 7),
      MARKER.subarray(0, 15),
      Buffer.alloc(3, 1),
      MARKER.subarray(0, 4),
    ]);
    const stream = Buffer.concat([
      Buffer.from("stale"),
      encodeRecord("hello", { token: "t" }),
      encodeFrame(FRAME.data, 9, 1, data),
      encodeFrame(FRAME.end, 9, 1),
      encodeFrame(FRAME.data, 10, 1),
      close,
      // A frame that its sender did not finish before it died, and the next session.
      encodeFrame(FRAME.data, 9, 1, data).subarray(0, 40),
      encodeRecord("hello", { token: "u" }),
      close,
    ]);
    const whole = inChunks(stream, stream.length).all;
    expect(whole).toEqual([
      'hello {"token":"t"}',
      `data 9 ${data.toString("hex")}`,
      "frame 4 9 ",
      "data 10 ",
      'frame 8 1 {"ok":true}',
      `data 9 ${data.subarray(0, 28).toString("hex")}`,
      'hello {"token":"u"}',
      'frame 8 1 {"ok":true}',
    ]);
    for (let size = 1; size < 60; size += 1) expect(inChunks(stream, size).all).toEqual(whole);
  });

  it("hands over data that ends like the beginning of a marker, even if nothing follows", () => {
    const found = new Found();
    const data = Buffer.concat([Buffer.from("x"), MARKER.subarray(0, 5)]);
    found.deframer.push(Buffer.concat([here, encodeFrame(FRAME.data, 1, 0, data)]));
    expect(found.all).toEqual(["here ", `data 1 ${data.toString("hex")}`]);
  });

  it("continues to discard after a record that does not count", () => {
    const found = new Found((payload) => payload.includes("mine"));
    found.deframer.push(Buffer.concat([encodeRecord("welcome", { token: "other" }), close, close]));
    found.deframer.push(Buffer.concat([encodeRecord("welcome", { token: "mine" }), close]));
    expect(found.all).toEqual(['welcome {"token":"other"}', 'welcome {"token":"mine"}', 'frame 8 1 {"ok":true}']);
  });

  it("tells how many bytes a frame still lacks", () => {
    const found = new Found();
    const frame = encodeFrame(FRAME.data, 1, 0, Buffer.alloc(100));
    found.deframer.push(here);
    expect(found.deframer.missing).toBe(0);
    found.deframer.push(frame.subarray(0, 5));
    expect(found.deframer.missing).toBe(7);
    found.deframer.push(frame.subarray(5, 50));
    expect(found.deframer.missing).toBe(62);
    found.deframer.push(frame.subarray(50));
    expect(found.deframer.missing).toBe(0);
  });

  it.each([
    ["an unknown type", encodeHeader(99 as never, 1, 0, 0)],
    ["too much data", encodeHeader(FRAME.data, 1, 0, MAX_DATA + 1)],
    ["too large a call", encodeHeader(FRAME.call, 1, 0, MAX_CALL + 1)],
    ["an END with a payload", encodeHeader(FRAME.end, 1, 0, 1)],
    ["a WINDOW without its number", encodeHeader(FRAME.window, 1, 0, 2)],
    ["a channel that does not exist", encodeHeader(FRAME.data, 1, 3, 0)],
    ["an invalid header", Buffer.alloc(12, 0x41)],
  ])("refuses %s once, and discards up to the next marker", (_, bytes) => {
    const found = new Found();
    found.deframer.push(Buffer.concat([here, bytes, close, close]));
    found.deframer.push(Buffer.concat([here, close]));
    expect(found.all.map((event) => event.split(" ")[0])).toEqual(["here", "malformed", "here", "frame"]);
  });

  it("refuses a call from an agent by its header", () => {
    const found = new Found(undefined, "agent");
    found.deframer.push(Buffer.concat([here, encodeHeader(FRAME.call, 1, 0, MAX_CALL)]));
    expect(found.all).toEqual([expect.stringMatching(/^here/), expect.stringMatching(/^malformed/)]);
  });

  it("accepts a call by its header if calls are not refused", () => {
    const events: string[] = [];
    const deframer = new Deframer({
      record: () => true,
      frame: ({ type }) => events.push(`frame ${type}`),
      data: () => undefined,
      malformed: (reason) => events.push(reason),
    });
    deframer.push(Buffer.concat([here, encodeFrame(FRAME.call, 1, 0)]));
    expect(events).toEqual(["frame 1"]);
  });

  it("accepts a record of the maximum size, and refuses a longer one or an unknown kind by its header", () => {
    const record = (kind: string, length: number) =>
      Buffer.concat([MARKER, Buffer.from([kind.charCodeAt(0), length >> 8, length & 255])]);
    const found = new Found();
    found.deframer.push(Buffer.concat([record("H", MAX_RECORD), Buffer.alloc(MAX_RECORD, "x")]));
    expect(found.all).toEqual([`hello ${"x".repeat(MAX_RECORD)}`]);
    found.deframer.push(record("H", MAX_RECORD + 1));
    found.deframer.push(record("Z", 0).subarray(0, MARKER.length + 1));
    found.deframer.push(Buffer.concat([record("W", 0), close]));
    expect(found.all.slice(1)).toEqual([
      "malformed a record of unknown kind or size",
      "malformed a record of unknown kind or size",
      "welcome ",
      'frame 8 1 {"ok":true}',
    ]);
  });

  it("reports the received bytes of what it refuses", () => {
    const received: string[] = [];
    const deframer = new Deframer({
      calls: false,
      record: () => true,
      frame: () => undefined,
      data: () => undefined,
      malformed: (_reason, bytes) => received.push(bytes.toString("hex")),
    });
    const call = encodeHeader(FRAME.call, 1, 0, 2);
    const unknown = encodeHeader(99 as never, 1, 0, 0);
    deframer.push(Buffer.concat([here, call, here, unknown, MARKER, Buffer.from("Zzz")]));
    expect(received).toEqual([call.toString("hex"), unknown.toString("hex"), Buffer.from("Zzz").toString("hex")]);
  });

  it("tells how many bytes other frames than DATA still lack, and frames whose end may begin a marker", () => {
    const found = new Found();
    found.deframer.push(Buffer.concat([here, close.subarray(0, 14)]));
    expect(found.deframer.missing).toBe(close.length - 14);
    found.deframer.push(close.subarray(14, 15));
    expect(found.deframer.missing).toBe(close.length - 15);
    found.deframer.push(close.subarray(15));
    expect(found.deframer.missing).toBe(0);
    found.deframer.push(Buffer.concat([encodeHeader(FRAME.data, 1, 0, 9), MARKER.subarray(0, 4)]));
    expect(found.deframer.missing).toBe(5);
  });

  it("lacks no bytes of a record, nor while it discards", () => {
    const found = new Found();
    found.deframer.push(encodeRecord("hello", { token: "t" }).subarray(0, 18));
    expect(found.deframer.missing).toBe(0);
    found.deframer.push(Buffer.concat([here, close.subarray(0, 14)]));
    found.deframer.seek();
    expect(found.deframer.missing).toBe(0);
  });

  it("discards everything up to the next marker after seek()", () => {
    const found = new Found();
    found.deframer.push(Buffer.concat([here, close.subarray(0, 14)]));
    found.deframer.seek();
    found.deframer.push(Buffer.concat([close.subarray(14), close]));
    expect(found.all).toEqual(["here "]);
    found.deframer.push(Buffer.concat([here, close]));
    expect(found.all).toEqual(["here ", "here ", 'frame 8 1 {"ok":true}']);
  });

  it("holds a frame that arrives byte by byte in little more memory than its size", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const { deframer } = new Found();
    const size = 2 ** 20;
    deframer.push(Buffer.concat([here, encodeHeader(FRAME.call, 1, 0, size)]));
    const before = used();
    const byte = Buffer.alloc(1);
    for (let at = 0; at < size / 4; at += 1) deframer.push(byte);
    expect(used() - before).toBeLessThan(4 * size);
    deframer.push(byte);
  });

  it("survives noise, and finds the session after it (seed 4)", () => {
    const random = seeded(4);
    for (let round = 0; round < 300; round += 1) {
      const found = new Found();
      found.deframer.push(here);
      const noise = Buffer.from(Array.from({ length: Math.floor(random() * 400) }, () => Math.floor(random() * 256)));
      for (const edge of [MARKER, close, Buffer.alloc(12)]) {
        if (random() < 0.5)
          edge.copy(noise, Math.floor(random() * noise.length), 0, Math.floor(random() * edge.length));
      }
      found.deframer.push(noise);
      found.deframer.push(Buffer.concat([here, close]));
      expect(found.all.slice(-2)).toEqual(["here ", 'frame 8 1 {"ok":true}']);
    }
  });
});
