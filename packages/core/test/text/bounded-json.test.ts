import { describe, expect, it } from "vitest";
import { MAX_JSON_DEPTH, parseJson } from "../../src/text/bounded-json.ts";

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

describe("parseJson", () => {
  it("parses what JSON.parse parses", () => {
    const value = { a: [1, { b: '[[[{{{\\"[[' }], "{[": null, c: "\\" };
    expect(parseJson(JSON.stringify(value), { maxDepth: 3 })).toEqual(value);
    expect(parseJson(" 1 ")).toBe(1);
  });

  it("accepts exactly as many nested levels as it should, and any number side by side", () => {
    expect(() => parseJson(nested(MAX_JSON_DEPTH))).not.toThrow();
    expect(() => parseJson(`[${"[],{},".repeat(10_000)}1]`, { maxDepth: 2 })).not.toThrow();
    expect(() => parseJson(nested(MAX_JSON_DEPTH + 1))).toThrow(SyntaxError);
    expect(() => parseJson(`{"a":${nested(2)}}`, { maxDepth: 2 })).toThrow(/more than 2 deep/);
  });

  it.each(["[", '{"a":'])("refuses 1,000,000 times %s without overflowing the stack", (opening) => {
    expect(() => parseJson(opening.repeat(1_000_000))).toThrow(SyntaxError);
  });

  it("ignores brackets in a string, and counts every one after it", () => {
    expect(() => parseJson('["[[[", "\\"[[[", "\\\\"]', { maxDepth: 1 })).not.toThrow();
    expect(() => parseJson('["\\\\", [[]]]', { maxDepth: 2 })).toThrow(/more than 2 deep/);
  });

  it("says what is wrong in a short and printable line", () => {
    for (const text of ["\u001b[2J\u202e", `"${"x".repeat(5000)}`, ""]) {
      let message = "";
      try {
        parseJson(text);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toMatch(/^[^\p{Cc}\p{Cf}]{1,200}$/u);
    }
  });
});
