import { describe, expect, it } from "vitest";
import { entryTime, MAX_CONTENT, parseEntry, parseNotice, renderEntry } from "../../../src/keeper/log/entry.ts";
import { logLines } from "../../../src/keeper/log/lines.ts";
import { random } from "./random.ts";

const time = entryTime(Date.UTC(2026, 10, 29, 6), 7);
const line = (text: string) => Buffer.from(text, "latin1");

describe("an entry of a log", () => {
  it("has the time with nanoseconds, the stream and the tag before what was printed", () => {
    const entry = { time, stream: "stdout", ends: true, content: line("a b\r") } as const;
    expect(renderEntry(entry).toString()).toBe("2026-11-29T06:00:00.000000007Z stdout F a b\r\n");
    expect(parseEntry(renderEntry(entry).subarray(0, -1))).toEqual(entry);
  });

  it("is read with any bytes in it, and with none", () => {
    const { bytes, seed } = random();
    for (let round = 0; round < 500; round += 1) {
      const content = bytes(round % 50 === 0 ? MAX_CONTENT : round % 40).map((byte) => (byte === 10 ? 11 : byte));
      const entry = { time, stream: "stderr", ends: round % 2 === 0, content: Buffer.from(content) } as const;
      expect(parseEntry(renderEntry(entry).subarray(0, -1)), `seed ${seed}`).toEqual(entry);
    }
  });

  it("is not read where a line is none", () => {
    for (const bad of [
      "",
      " ",
      time,
      `${time} stdout`,
      `${time} stdout F`,
      `${time} stdout X x`,
      `${time} stdin F x`,
      `${time}  stdout F x`,
      `${time.slice(1)} stdout F x`,
      `2026-11-29T06:00:00Z stdout F x`,
      `${time} stdout F ${"x".repeat(MAX_CONTENT + 10)}`,
    ])
      expect(parseEntry(line(bad)), bad).toBeUndefined();
  });

  it("tells what the keeper says, and nothing of what it does not know", () => {
    const notice = (text: string) => parseNotice({ time, stream: "keeper", ends: true, content: line(text) });
    expect(notice("start")).toEqual({ kind: "start" });
    expect(notice("lost 3 40 28")).toEqual({ kind: "lost", entries: 3, bytes: 40, errno: 28 });
    for (const unknown of ["", "started", "lost", "lost 1 2", "lost 1 2 x", "lost 1 2 3 4", "lost -1 2 3"])
      expect(notice(unknown), unknown).toBeUndefined();
  });
});

it("keeps no more of a line that does not end than an entry has, and says how long it was", () => {
  const lines = logLines();
  for (let piece = 0; piece < 100; piece += 1) expect(lines.take(Buffer.alloc(64 * 1024, "x"))).toEqual([]);
  expect(lines.take(line("\nnext\nrest"))).toEqual([{ damaged: 100 * 64 * 1024 }, line("next")]);
  expect(lines.reset()).toBe(4);
  expect(lines.take(line("a\n"))).toEqual([line("a")]);
});
