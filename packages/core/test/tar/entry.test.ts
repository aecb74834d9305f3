import { expect, it } from "vitest";
import { byteString, shown, storedSize, textOf } from "../../src/tar/entry.ts";

it("turns text into the byte string of its UTF-8, and back", () => {
  expect(byteString("ü")).toBe("\xc3\xbc");
  expect(textOf("\xc3\xbc")).toBe("ü");
  expect(textOf("\xff")).toBe("\ufffd");
});

it("shows a name in one line, cut to 200 characters", () => {
  expect(shown("\xc3\xbc\n")).toBe('"ü\\n"');
  expect(shown("n".repeat(200))).toBe(`"${"n".repeat(200)}"`);
  expect(shown("n".repeat(201))).toBe(`"${"n".repeat(200)}…"`);
});

it("stores the parts of a file with holes", () => {
  const file = { type: "file", name: "", target: "", mode: 0, uid: 0, gid: 0, mtime: "0", xattrs: new Map() } as const;
  expect(storedSize({ ...file, size: 9 })).toBe(9);
  expect(storedSize({ ...file, size: 9, sparse: [] })).toBe(0);
  const sparse = [
    { offset: 1, length: 2 },
    { offset: 5, length: 3 },
  ];
  expect(storedSize({ ...file, size: 9, sparse })).toBe(5);
});
