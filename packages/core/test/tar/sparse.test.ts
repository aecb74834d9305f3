import { describe, expect, it } from "vitest";
import { BLOCK, type TarHeader } from "../../src/tar/header.ts";
import { renderSparseMap, SparseMap } from "../../src/tar/sparse.ts";

const plain: TarHeader = { name: "f", target: "", flag: "0", mode: 0, uid: 0, gid: 0, mtime: 0, size: 0 };
const of = (records: Readonly<Record<string, string>>) => SparseMap.of(plain, new Map(Object.entries(records)));
const version0 = (map: string, size = "99999") => of({ "GNU.sparse.map": map, "GNU.sparse.size": size }) as SparseMap;
const version1 = (size = "99999") =>
  of({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": size }) as SparseMap;
const block = (text: string) => Buffer.concat([Buffer.from(text, "latin1")], BLOCK);

describe("SparseMap", () => {
  it("does not exist for an entry without holes", () => {
    expect(of({})).toBeUndefined();
    expect(of({ path: "x", size: "3" })).toBeUndefined();
  });

  it.each([
    { "GNU.sparse.major": "1", "GNU.sparse.minor": "1", "GNU.sparse.realsize": "1" },
    { "GNU.sparse.major": "2", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1" },
    { "GNU.sparse.major": "0", "GNU.sparse.map": "0,1", "GNU.sparse.size": "1" },
    { "GNU.sparse.minor": "0", "GNU.sparse.size": "1" },
    { "GNU.sparse.size": "1" },
    { "GNU.sparse.numblocks": "1", "GNU.sparse.size": "1" },
  ])("refuses a form that is not known: %j", (records) => {
    expect(() => of(records as never)).toThrow("is stored sparse in a form that is not known");
  });

  it("of one hole has no parts", () => {
    const map = of({ "GNU.sparse.numblocks": "0", "GNU.sparse.size": "7" });
    expect([map?.size, map?.complete, map?.inBody, map?.extents(0)]).toEqual([7, true, false, []]);
    expect(version0("").extents(0)).toEqual([]);
  });

  it.each(["", "x", "-1", "1.5", "0x1", " 1", "1 ", "9007199254740992", "00000000000000001"])(
    "refuses %j as a number",
    (text) => {
      expect(() => version0("0,0", text)).toThrow("has a malformed sparse map");
      if (text !== "") expect(() => version0(`0,${text}`)).toThrow("has a malformed sparse map");
    },
  );

  it("accepts the largest safe integer", () => {
    expect(version0("", "9007199254740991").size).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => of({ "GNU.sparse.map": "" })).toThrow("has a malformed sparse map");
  });

  it("gives the parts in order, without empty ones", () => {
    expect(version0("0,512,512,1024,2000,0,3000,7,99999,0").extents(1543)).toEqual([
      { offset: 0, length: 512 },
      { offset: 512, length: 1024 },
      { offset: 3000, length: 7 },
    ]);
  });

  it("accepts a part that ends with the file", () => {
    expect(version0("0,4", "4").extents(4)).toEqual([{ offset: 0, length: 4 }]);
  });

  it.each([
    ["half a pair", "0,4,8", 4, "contradicts itself"],
    ["a part that begins within another", "0,512,511,512", 1024, "contradicts itself"],
    ["parts out of order", "512,512,0,512", 1024, "contradicts itself"],
    ["a part that ends beyond the file", "99998,2", 2, "contradicts itself"],
    ["a part after one that is not a whole block", "0,4,512,4", 8, "not a whole block"],
    ["a part after one that is not a whole block", "0,513,1024,512", 1025, "not a whole block"],
    ["fewer bytes than are stored", "0,4", 5, "contradicts its size"],
    ["more bytes than are stored", "0,4", 3, "contradicts its size"],
  ])("refuses %s", (_, map, stored, message) => {
    expect(() => version0(map, "99999").extents(stored)).toThrow(message);
  });

  it("reads the map of pax 1.0 from the body block by block, even if a number is split", () => {
    const parts = Array.from({ length: 80 }, (_, i) => ({ offset: i * 1024, length: 512 }));
    const bytes = renderSparseMap(parts);
    expect(bytes.length).toBe(2 * BLOCK);
    const map = version1();
    expect([map.complete, map.inBody]).toEqual([false, true]);
    map.block(bytes.subarray(0, BLOCK));
    expect([map.complete, map.inBody]).toEqual([false, true]);
    map.block(bytes.subarray(BLOCK));
    expect([map.complete, map.inBody]).toEqual([true, true]);
    expect(map.extents(80 * 512)).toEqual(parts);
  });

  it("reads a map of pax 1.0 without parts", () => {
    const map = version1();
    map.block(block("0\n"));
    expect([map.complete, map.extents(0)]).toEqual([true, []]);
  });

  it.each(["x\n", "-1\n", "1\nx\n1\n", "\n"])("refuses a map of pax 1.0 that begins with %j", (text) => {
    expect(() => version1().block(block(text))).toThrow("has a malformed sparse map");
  });

  it("refuses a number of pax 1.0 that has not ended after a block", () => {
    const map = version1();
    map.block(Buffer.alloc(BLOCK, "1"));
    expect(() => map.block(Buffer.alloc(BLOCK, "1"))).toThrow("has a malformed sparse map");
  });

  it("ignores what follows the map in its last block", () => {
    const map = version1();
    map.block(block(`1\n0\n4\nx\n${"y".repeat(400)}`));
    expect(map.extents(4)).toEqual([{ offset: 0, length: 4 }]);
  });

  it("reads GNU tar's own map from the header and the blocks after it, which are not in the body", () => {
    const map = SparseMap.of(
      { ...plain, flag: "S", sparse: { numbers: [0, 512], more: true, size: 99_999 } },
      new Map(),
    ) as SparseMap;
    expect([map.size, map.complete, map.inBody]).toEqual([99_999, false, false]);
    const more = block("00000001000\x0000000001000\0");
    more[504] = 1;
    map.block(more);
    expect([map.complete, map.inBody]).toEqual([false, false]);
    map.block(block("00000002000\x0000000000007\0"));
    expect([map.complete, map.inBody]).toEqual([true, false]);
    expect(map.extents(1031)).toEqual([
      { offset: 0, length: 512 },
      { offset: 512, length: 512 },
      { offset: 1024, length: 7 },
    ]);
  });

  it("is complete with the header when GNU tar announces no further block", () => {
    const map = SparseMap.of({ ...plain, flag: "S", sparse: { numbers: [], more: false, size: 5 } }, new Map());
    expect(map?.complete).toBe(true);
  });
});

it("renders a map in whole blocks", () => {
  expect(renderSparseMap([])).toEqual(block("0\n"));
  expect(renderSparseMap([{ offset: 7, length: 512 }])).toEqual(block("1\n7\n512\n"));
});
