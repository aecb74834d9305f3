import { once } from "node:events";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { emitLines, LineSplitter, LONGEST_LINE } from "../../../src/engine/program/line-splitter.ts";

function lines(...chunks: (string | Buffer)[]): string[] {
  const told: string[] = [];
  const splitter = new LineSplitter((line) => told.push(line));
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.finish();
  return told;
}

describe("lines", () => {
  it("are the text between newlines, wherever the chunks end", () => {
    expect(lines("a\nb", "c\n", "\nd")).toEqual(["a", "bc", "", "d"]);
    expect(lines()).toEqual([]);
    expect(lines("\n")).toEqual([""]);
    expect(lines("a\r\n")).toEqual(["a\r"]);
  });
  it("are UTF-8, wherever the chunks end", () => {
    expect(lines(...[...Buffer.from("☁é\n☁")].map((byte) => Buffer.of(byte)))).toEqual(["☁é", "☁"]);
    expect(lines(Buffer.of(0xe2, 0x98))).toEqual(["\ufffd"]);
  });
  it("come in pieces when they are long, and no character is split", () => {
    const long = "x".repeat(LONGEST_LINE);
    expect(lines(`${long}\n`)).toEqual([long]);
    expect(lines(long, `${long}y\nz`)).toEqual([long, long, "y", "z"]);
    expect(lines(`${long.slice(1)}😀`)).toEqual([long.slice(1), "😀"]);
  });
  it("are delivered no more once the listener has thrown, and the failure is reported once", async () => {
    const stream = new PassThrough();
    const told: string[] = [];
    const failures: unknown[] = [];
    const listen = (line: string) => {
      told.push(line);
      throw line;
    };
    emitLines(stream, listen, (error) => failures.push(error));
    stream.write("a\n");
    await once(stream, "data");
    stream.end("b\nc");
    await once(stream, "end");
    expect([told, failures]).toEqual([["a"], ["a"]]);
  });
});
