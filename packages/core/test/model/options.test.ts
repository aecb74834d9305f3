import { describe, expect, it } from "vitest";
import { BoundSchema } from "../../src/model/amount.ts";
import { ProgressListenerSchema, SignalSchema } from "../../src/model/call-options.ts";
import { ContentSchema } from "../../src/model/content.ts";
import { EnvSchema } from "../../src/model/env.ts";
import { StopOptionsSchema } from "../../src/model/verb-options.ts";

describe("an option of a call", () => {
  it.each([
    ["a signal", SignalSchema, AbortSignal.abort()],
    ["a signal of another realm", SignalSchema, { throwIfAborted() {}, addEventListener() {} }],
    ["a listener", ProgressListenerSchema, () => {}],
    ["a text", ContentSchema, ""],
    ["bytes", ContentSchema, new Uint8Array(1)],
    ["a stream of bytes", ContentSchema, (async function* () {})()],
    ["no bound", BoundSchema, Number.POSITIVE_INFINITY],
    ["a bound of nothing", BoundSchema, 0],
  ])("may be %s", (_, schema, value) => {
    expect(schema.safeParse(value).success).toBe(true);
  });

  it.each([
    ["a signal", SignalSchema, undefined],
    ["a signal", SignalSchema, null],
    ["a signal", SignalSchema, "abort"],
    ["a signal", SignalSchema, { throwIfAborted() {} }],
    ["a signal", SignalSchema, { addEventListener() {} }],
    ["a listener", ProgressListenerSchema, {}],
    ["content", ContentSchema, null],
    ["content", ContentSchema, 7],
    ["content", ContentSchema, ["text"]],
    ["a bound", BoundSchema, -1],
    ["a bound", BoundSchema, 1.5],
    ["a bound", BoundSchema, Number.NEGATIVE_INFINITY],
    ["a bound", BoundSchema, Number.NaN],
    ["a bound", BoundSchema, "1"],
  ])("that is %s is not %o", (_, schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });

  it("counts the limit of Linux for one variable in bytes, not in characters", () => {
    const variable = (value: string) => EnvSchema.safeParse({ A: value }).success;
    expect([variable("x".repeat(131_069)), variable("x".repeat(131_070))]).toEqual([true, false]);
    expect([variable("é".repeat(65_534)), variable("é".repeat(65_535))]).toEqual([true, false]);
  });

  it("has its default when it is left out", () => {
    expect(StopOptionsSchema.parse({})).toEqual({ mode: "ask", timeout: 30_000 });
  });
});
