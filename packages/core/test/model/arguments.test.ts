import { describe, expect, it } from "vitest";
import { isPassable, isWellFormed, refusedArguments } from "../../src/model/arguments.ts";
import { EnvSchema } from "../../src/model/env.ts";
import { InsidePathSchema } from "../../src/model/exec.ts";

describe("an argument", () => {
  it("is UTF-8 without lone surrogates", () => {
    expect(["", "ü", "\u{1f600}"].map(isWellFormed)).toEqual([true, true, true]);
    expect(["\ud83d", "a\udc80b"].map(isWellFormed)).toEqual([false, false]);
  });

  it("has at most the bytes that Linux accepts", () => {
    expect(["x".repeat(131_071), "x".repeat(131_072)].map(isPassable)).toEqual([true, false]);
    expect(["é".repeat(65_535), "é".repeat(65_536)].map(isPassable)).toEqual([true, false]);
  });
});

describe("all arguments and variables of a call", () => {
  // Each takes its bytes, a NUL and a pointer of 8.
  const most = 1_966_080;

  it("may use exactly what Linux allows for them together", () => {
    const rest = most - (1 + 9) - ("A=".length + 2 + 9);
    expect(refusedArguments(["p"], {})).toEqual([]);
    expect(refusedArguments(["p", "x".repeat(rest - 9)], { A: "é" })).toEqual([]);
    const refused = refusedArguments(["p", "x".repeat(rest - 8)], { A: "é" });
    expect(refused).toEqual([{ path: ["argv"], message: expect.stringMatching(/^E2BIG: .* 1966081 bytes/) }]);
  });

  it("count the name and the equals sign of a variable", () => {
    expect(refusedArguments([], { ["n".repeat(most - 10)]: "" })).toEqual([]);
    expect(refusedArguments([], { ["n".repeat(most - 9)]: "" })).toHaveLength(1);
  });
});

describe("an environment", () => {
  it.each<Record<string, string>>([{}, { A: "" }, { "a.b": "=\n" }, { constructor: "x" }])("may be %j", (env) => {
    expect(EnvSchema.parse(env)).toEqual(env);
  });

  it.each([
    ["a name with =", { "A=": "" }, ["A="]],
    ["no name", { "": "" }, [""]],
    ["a name with a line break", { "A\n": "" }, ["A\n"]],
    ["a name with half a character", { "\ud83d": "" }, ["\ud83d"]],
    ["a value with a NUL", { A: "\0" }, ["A"]],
    ["a value with half a character", { A: "\ud83d" }, ["A"]],
    ["a value that is not a text", { A: 1 }, ["A"]],
    ["too long a value", { A: "x".repeat(131_070) }, ["A"]],
    ["the one name that a record loses", JSON.parse('{"__proto__":"x"}'), ["__proto__"]],
  ])("cannot have %s, and says which", (_, env, path) => {
    expect(EnvSchema.safeParse(env).error?.issues.map((issue) => issue.path)).toEqual([path]);
  });

  it.each([null, undefined, "A=1", 7])("is no %j", (env) => {
    expect(EnvSchema.safeParse(env).success).toBe(false);
  });
});

it("accepts a path of at most 4095 bytes in an instance, and counts U+DC80 to U+DCFF as one byte each", () => {
  const takes = (path: string) => InsidePathSchema.safeParse(path).success;
  expect([takes(`/${"x".repeat(4094)}`), takes(`/${"x".repeat(4095)}`)]).toEqual([true, false]);
  expect([takes(`/${"é".repeat(2047)}`), takes(`/${"é".repeat(2048)}`)]).toEqual([true, false]);
  expect([takes("/\udcff"), takes("/\udc7f"), takes("x"), takes("/\0")]).toEqual([true, false, false, false]);
});
