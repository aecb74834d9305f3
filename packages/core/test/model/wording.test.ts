import { describe, expect, it } from "vitest";
import { z } from "zod";
import { EnvSchema } from "../../src/model/env.ts";
import { parse } from "../../src/model/parse.ts";
import { objectAs, required } from "../../src/model/wording.ts";

/** What `parse()` says of a value that `schema` refuses. */
function said(schema: z.ZodType, value: unknown): string {
  try {
    parse(schema, value, "value");
  } catch (error) {
    return (error as Error).message.replace("invalid value: ", "");
  }
  throw new Error("it was accepted");
}

const long = "9".repeat(61);

describe("a value of another type", () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ["a number for a string", z.string(), 5, 'must be a string, but is 5: write "5"'],
    ["no number for a string", z.string(), Number.NaN, "must be a string, but is NaN"],
    ["true for a string", z.string(), true, 'must be a string, but is true: write "true"'],
    ["null", z.string(), null, "must be a string, but is null"],
    ["nothing", z.string(), undefined, "must be a string, but is missing"],
    ["a list", z.string(), [1], "must be a string, but is a list"],
    ["a promise", z.string(), Promise.resolve(), "must be a string, but is a promise: await it"],
    ["an object", z.string(), {}, "must be a string, but is an object"],
    ["a word for a list", z.array(z.string()), "a", 'must be a list, but is a string: write ["a"]'],
    ["words for a list", z.array(z.string()), "a b", "must be a list, but is a string"],
    ["a number in a string", z.number(), "5", "must be a number, but is a string: write 5"],
    ["a whole number in a string", z.int(), "5", "must be a number, but is a string: write 5"],
    ["a number in another spelling", z.number(), "5.0", "must be a number, but is a string"],
    ["an infinite number in a string", z.number(), "Infinity", "must be a number, but is a string"],
    ["an empty string for a number", z.number(), "", "must be a number, but is a string"],
    ["a number in a string for an object", z.object({}), "5", "must be an object, but is a string"],
    ["a number in a string for a boolean", z.boolean(), "5", "must be true or false, but is a string"],
    ["true in a string", z.boolean(), "true", "must be true or false, but is a string: write true"],
    ["false in a string", z.boolean(), "false", "must be true or false, but is a string: write false"],
    ["true in a string for a number", z.number(), "true", "must be a number, but is a string"],
    ["a string that is too long to quote", z.array(z.string()), long, "must be a list, but is a string"],
    [
      "the longest that is quoted",
      z.array(z.string()),
      "9".repeat(60),
      `must be a list, but is a string: write ["${"9".repeat(60)}"]`,
    ],
    [
      "one that no member of a union takes",
      z.union([z.string(), z.number()]),
      true,
      "must be a string or a number, but is true",
    ],
    [
      "one that two members want alike",
      z.union([z.string().min(2), z.string().min(3)]),
      true,
      "must be a string, but is true",
    ],
  ])("is reported in words: %s", (_, schema, value, message) => {
    expect(said(schema, value)).toBe(message);
  });
});

describe("a value out of bounds", () => {
  it.each<[z.ZodType, unknown, string]>([
    [z.number().min(3), 2, "must be 3 or more"],
    [z.number().max(3), 4, "must be 3 or less"],
    [z.number().gt(3), 3, "must be more than 3"],
    [z.number().lt(3), 3, "must be less than 3"],
    [z.number().multipleOf(3), 4, "must be a multiple of 3"],
    [z.string().min(3), "a", "must have 3 or more characters"],
    [z.array(z.string()).max(1), ["a", "b"], "must have 1 or less items"],
    [z.enum(["a", "b"]), "c", 'must be "a" or "b"'],
    [z.ipv4(), "x", "must be an IPv4 address, as in 10.0.0.2"],
    [z.string().regex(/^a$/), "x", "must be in another format: /^a$/"],
    [z.record(z.string().min(2), z.string()), { a: "x" }, "a: must have 2 or more characters"],
    [z.custom((value) => value === 1), 2, "is not valid"],
  ])("is reported with the bound: %#", (schema, value, message) => {
    expect(said(schema, value)).toBe(message);
  });
});

describe("a schema's own words", () => {
  it("say what to write when a key is missing, and only then", () => {
    const schema = z.object({ name: z.string(required('write name: "web"')).min(2) });
    expect(said(schema, {})).toBe('name: is missing: write name: "web"');
    expect(said(schema, { name: 5 })).toBe('name: must be a string, but is 5: write "5"');
    expect(said(schema, { name: "a" })).toBe("name: must have 2 or more characters");
  });

  it("say what to write instead of a value that is not an object, and only then", () => {
    const schema = z.strictObject({ mode: z.string().optional() }, objectAs('{ mode: "kill" }'));
    expect(said(schema, "kill")).toBe('must be an object, but is a string: write { mode: "kill" }');
    expect(said(schema, { mod: "kill" })).toBe('mod: unknown key; did you mean "mode"?');
  });

  it.each<[unknown, string]>([
    [["A=1"], 'write { A: "1" }'],
    ["A=1", 'write { A: "1" }'],
    [["a-b=1"], 'write { "a-b": "1" }'],
    [5, 'write { NAME: "value" }'],
  ])("say how variables are written in the place of %j", (value, example) => {
    expect(said(EnvSchema, value)).toBe(`must be an object of names and values: ${example}`);
  });

  it("leave to the variable what is wrong with a variable", () => {
    expect(said(EnvSchema, { A: undefined })).toBe('A: is missing: leave the variable out, or give it ""');
    expect(said(EnvSchema, { "A=": "1" })).toContain("the name of a variable cannot contain =");
  });
});

describe("an unknown key", () => {
  it("is reported with the known keys when none is near", () => {
    expect(said(z.strictObject({ alpha: z.string().optional() }), { zzz: 1 })).toBe(
      "zzz: unknown key; known keys: alpha",
    );
    expect(said(z.strictObject({}), { zzz: 1 })).toBe("zzz: unknown key");
  });

  it("is reported with its path in a list, a record, a wrapped object and a union", () => {
    const inner = z.strictObject({ alpha: z.string().optional() });
    const near = 'alphs: unknown key; did you mean "alpha"?';
    expect(said(z.object({ list: z.array(inner) }), { list: [{}, { alphs: 1 }] })).toBe(`list.1.${near}`);
    expect(said(z.object({ by: z.record(z.string(), inner) }), { by: { x: { alphs: 1 } } })).toBe(`by.x.${near}`);
    expect(said(z.object({ one: inner.optional() }), { one: { alphs: 1 } })).toBe(`one.${near}`);
    expect(
      said(
        z.preprocess((value) => value, inner),
        { alphs: 1 },
      ),
    ).toBe(near);
    expect(
      said(
        inner.transform((value) => value),
        { alphs: 1 },
      ),
    ).toBe(near);
    const union = z.discriminatedUnion("type", [
      z.strictObject({ type: z.literal("a"), alpha: z.string().optional() }),
      z.strictObject({ type: z.literal("b"), beta: z.string().optional() }),
    ]);
    expect(said(union, { type: "a", alphs: 1 })).toBe(near);
    expect(said(union, { type: "b", alpha: 1 })).toBe("alpha: unknown key; known keys: type, beta");
    expect(said(z.object({ device: union }), { device: { type: "c" } })).toBe('device.type: must be "a" or "b"');
    expect(said(z.object({ device: union }), { device: {} })).toBe('device.type: is missing: write type: "a" or "b"');
  });
});
