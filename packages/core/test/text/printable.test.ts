import { describe, expect, it } from "vitest";
import { printable } from "../../src/text/printable.ts";

describe("printable", () => {
  it("leaves printable text unchanged", () => {
    const text = "/srv/Übung/日本語 (1).txt 🐧";
    expect(printable(text)).toBe(text);
  });

  it.each([
    ["an escape sequence", "\u001b[2J"],
    ["a line end", "\n"],
    ["a control character of C1", "\u009b"],
    ["DEL", "\u007f"],
    ["a line separator", "\u2028"],
    ["a paragraph separator", "\u2029"],
    ["a turn of the direction", "\u202e"],
    ["an isolate of the direction", "\u2066"],
    ["a character without width", "\u200b"],
    ["a tag of the astral planes", "\u{e0041}"],
    ["a high surrogate alone", "\ud83d"],
    ["a low surrogate alone", "\udc27"],
  ])("replaces %s", (_what, hostile) => {
    const first = String.fromCodePoint(hostile.codePointAt(0) as number);
    expect(printable(`a${hostile}b`)).toBe(`a${hostile.replace(first, "\ufffd")}b`);
  });

  it("cuts a long text between two characters, and says so", () => {
    expect(printable("x".repeat(20), 10)).toBe(`${"x".repeat(9)}…`);
    expect(printable("x".repeat(10), 10)).toBe("x".repeat(10));
    expect(printable(`12345678🐧rest`, 10)).toBe("12345678…");
  });
});
