import { describe, expect, it } from "vitest";
import { TarFault } from "../../src/tar/header.ts";
import { parsePax, paxXattrKey, paxXattrs, renderPaxRecord } from "../../src/tar/pax.ts";

const records = (text: string) => Object.fromEntries(parsePax(Buffer.from(text, "latin1")));

describe("parsePax", () => {
  it("reads records one after the other, with values of any bytes", () => {
    expect(records("8 a=b=c\n9 k=\xff\x00\n1\n6 e=\xe9\n")).toEqual({ a: "b=c", k: "\xff\x00\n1", e: "\xe9" });
  });

  it("uses the last record of a repeated key, and accepts one without a value", () => {
    expect(records("6 a=b\n6 a=c\n5 b=\n")).toEqual({ a: "c", b: "" });
  });

  it("accepts an empty header, and NULs after the last record", () => {
    expect(records("")).toEqual({});
    expect(records("6 a=b\n\0\0\0")).toEqual({ a: "b" });
  });

  it("accepts a length of ten digits, and refuses one of eleven", () => {
    expect(records("0000000015 a=b\n")).toEqual({ a: "b" });
    expect(() => records("00000000016 a=b\n")).toThrow(/malformed pax header/);
  });

  it.each([
    ["no blank", "6"],
    ["a length that is not a number", "x a=b\n"],
    ["no length", " a=b\n"],
    ["a length in hexadecimal", "0x8 a=b\n"],
    ["a length with a sign", "+7 a=b\n"],
    ["a length beyond the header", "7 a=b\n"],
    ["a length short of its line", "5 a=b\n"],
    ["a length of its own digits", "2 \n"],
    ["a length of zero", "0 a=b\n"],
    ["a record of a line feed alone", "3 \n"],
    ["no equals sign", "6 abc\n"],
    ["no key", "5 =b\n"],
    ["another byte than a line feed at its end", "6 a=bX"],
    ["a second record that is none", "6 a=b\nx"],
  ])("refuses a header that has %s", (_, text) => {
    expect(() => records(text)).toThrow(TarFault);
    expect(() => records(text)).toThrow("has a malformed pax header");
  });

  it("joins the parts of GNU tar's oldest sparse map", () => {
    const pairs = [0, 5, 10, 3].map((value, i) =>
      renderPaxRecord(`GNU.sparse.${i % 2 === 0 ? "offset" : "numbytes"}`, String(value)),
    );
    expect(records(pairs.join(""))).toEqual({ "GNU.sparse.map": "0,5,10,3" });
  });
});

it("renders a record whose length counts its own digits, also when they become one more", () => {
  for (let length = 1; length < 1100; length += 1) {
    const record = renderPaxRecord("k", "v".repeat(length));
    expect(record).toHaveLength(Number.parseInt(record, 10));
    expect(records(record)).toEqual({ k: "v".repeat(length) });
  }
});

it("finds and writes extended attributes by their prefix", () => {
  const xattrs = paxXattrs(
    new Map([
      [paxXattrKey("user.a"), "b"],
      ["path", "x"],
      ["LIBARCHIVE.xattr.user.c", "d"],
    ]),
  );
  expect(xattrs).toEqual(new Map([["user.a", "b"]]));
  expect(paxXattrKey("user.a")).toBe("SCHILY.xattr.user.a");
});
