import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../src/errors/all.ts";
import { editDistance, nearest } from "../../src/model/nearest.ts";
import { parse } from "../../src/model/parse.ts";
import { shorthand } from "../../src/model/shorthand.ts";

const Schema = z.strictObject({
  limits: z.strictObject({ memory: z.number().optional(), cpu: z.number().optional() }).default({}),
  ipv4: shorthand("address", z.strictObject({ address: z.ipv4(), nat: z.boolean().default(true) })).optional(),
  disks: z.array(z.strictObject({ source: z.string() })).default([]),
  devices: z
    .record(
      z.string().regex(/^[a-z0-9]+$/, "a device's name is of a-z, 0-9"),
      z.discriminatedUnion("type", [
        z.strictObject({ type: z.literal("nic"), network: z.string() }),
        z.strictObject({ type: z.literal("disk"), source: z.string(), readonly: z.boolean().optional() }),
      ]),
    )
    .default({}),
});

function issuesOf(value: unknown) {
  try {
    parse(Schema, value, "test config");
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  }
  return [];
}

describe("parse", () => {
  it("fills in defaults", () => {
    expect(parse(Schema, {}, "test config")).toEqual({ limits: {}, disks: [], devices: {} });
  });

  it.each([
    [{ limts: {} }, 'limts: unknown key; did you mean "limits"?'],
    [{ limits: { meomry: 1 } }, 'limits.meomry: unknown key; did you mean "memory"?'],
    [{ limits: { wholly: 1 } }, "limits.wholly: unknown key; known keys: memory, cpu"],
    [{ disks: [{ source: "a" }, { source: "b", sorce: "c" }] }, 'disks.1.sorce: unknown key; did you mean "source"?'],
    [
      { devices: { root: { type: "disk", source: "a", readOnly: true } } },
      'devices.root.readOnly: unknown key; did you mean "readonly"?',
    ],
    [{ devices: { e: { type: "nick" } } }, 'devices.e.type: must be "nic" or "disk"'],
    [{ devices: { e: { network: "x" } } }, 'devices.e.type: is missing: write type: "nic" or "disk"'],
    [{ devices: { "E!": { type: "nic", network: "x" } } }, "devices.E!: a device's name is of a-z, 0-9"],
  ])("of %j says %s", (value, issue) => {
    expect(issuesOf(value)).toEqual([issue]);
  });

  it.each([
    [{ limits: 5 }, "limits: must be an object, but is 5"],
    [{ limits: { cpu: "x".repeat(1000) } }, "limits.cpu: must be a number, but is a string"],
    [{ limits: { cpu: Number.NaN } }, "limits.cpu: must be a number, but is NaN"],
    [{ disks: [{}] }, "disks.0.source: must be a string, but is missing"],
    [{ disks: null }, "disks: must be a list, but is null"],
    [[], ": must be an object, but is a list"],
    [{ limits: { cpu: Promise.resolve(1) } }, "limits.cpu: must be a number, but is a promise: await it"],
    [{ ipv4: Promise.resolve("10.0.0.2") }, "ipv4: is a promise: await it"],
  ])("says of %j what it must be and what it is", (value, issue) => {
    expect(issuesOf(value)).toEqual([issue]);
  });

  it.each([
    [z.int().min(1), 0, "must be 1 or more"],
    [z.number().positive(), 0, "must be more than 0"],
    [z.number().max(9), 10, "must be 9 or less"],
    [z.int(), 1.5, "must be a whole number, but is 1.5"],
    [z.enum(["ask", "kill"]), "x", 'must be "ask" or "kill"'],
    [z.string().max(3), "four", "must have 3 or less characters"],
    [z.array(z.string()).min(1), [], "must have 1 or more items"],
    [z.int().min(1, "one at least"), 0, "one at least"],
  ])(
    "states the bounds of a value in the words of this library, unless the schema has its own",
    (schema, value, message) => {
      expect(() => parse(schema, value, "test")).toThrow(`invalid test: ${message}`);
    },
  );

  it("quotes one short word that was given instead of a list", () => {
    const told = (list: string) => {
      try {
        return parse(z.object({ list: z.array(z.string()) }), { list }, "test");
      } catch (error) {
        return (error as Error).message;
      }
    };
    const plain = "invalid test: list: must be a list, but is a string";
    expect(told("web")).toBe(`${plain}: write ["web"]`);
    expect(told("x".repeat(61))).toBe(plain);
    expect(told("npm start")).toBe(plain);
  });

  it("reads a shorthand as the object that it stands for", () => {
    const whole = { address: "10.0.0.2", nat: true };
    expect(parse(Schema, { ipv4: "10.0.0.2" }, "test").ipv4).toEqual(whole);
    expect(parse(Schema, { ipv4: { address: "10.0.0.2" } }, "test").ipv4).toEqual(whole);
    expect(parse(Schema, {}, "test").ipv4).toBeUndefined();
  });

  it.each([
    [{ ipv4: "10.0.0" }, "ipv4: must be an IPv4 address, as in 10.0.0.2"],
    [{ ipv4: 5 }, 'ipv4: must be a string, but is 5: write "5"'],
    [{ ipv4: null }, "ipv4: must be an object, but is null"],
    [{ ipv4: {} }, "ipv4.address: must be a string, but is missing"],
    [{ ipv4: { adress: "10.0.0.2", address: "10.0.0.2" } }, 'ipv4.adress: unknown key; did you mean "address"?'],
  ])("says of %j what is wrong where it was written", (value, issue) => {
    expect(issuesOf(value)).toEqual([issue]);
  });

  it("reports every issue in one error, on one line", () => {
    const value = { limits: { cpu: "x" }, a: 1, b: 2 };
    expect(issuesOf(value)).toHaveLength(3);
    expect(() => parse(Schema, value, "test config")).toThrow(/^invalid test config: limits\.cpu: [^\n]+; a: unknown/);
  });
});

describe("the nearest known key", () => {
  it.each([
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["", "abc", 3],
    ["same", "same", 0],
    ["abcd", "acbd", 1],
    ["abc", "", 3],
    ["ca", "abc", 3],
    ["flaw", "lawn", 2],
  ])("counts the edits from %j to %j as %i", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it("is the nearest one, and the first of several at the same distance", () => {
    expect(nearest("cat", ["bat", "hat"])).toBe("bat");
    expect(nearest("limts", ["lims", "limits"])).toBe("lims");
    expect(nearest("memori", ["memo", "memory"])).toBe("memory");
    expect(nearest("memory", ["memory", "memo"])).toBe("memory");
  });

  it("may be two edits away in a short name, and a third of its length in a long one", () => {
    expect(nearest("nmae", ["name"])).toBe("name");
    expect(nearest("xxme", ["name"])).toBe("name");
    expect(nearest("xxxe", ["name"])).toBeUndefined();
    expect(nearest("uid", ["cwd"])).toBeUndefined();
    expect(nearest("xxxcdefghi", ["abcdefghi"])).toBe("abcdefghi");
    expect(nearest("xxxxefghi", ["abcdefghi"])).toBeUndefined();
  });

  it("does not exist when all are far, and ignores case", () => {
    expect(nearest("Network", ["network", "name"])).toBe("network");
    expect(nearest("zzzzzz", ["network", "name"])).toBeUndefined();
  });
});
