import { describe, expect, it } from "vitest";
import { encodeOrder, type KeeperOrder, words } from "../../src/keeper/order.ts";

/** The entries as packages/core/keeper/config.h reads them: each value by its key, in their order. */
function entriesOf(payload: Buffer): readonly [key: number, value: Buffer][] {
  expect(payload.readUInt32LE()).toBe(1);
  const entries: [number, Buffer][] = [];
  let at = 4;
  while (at < payload.length) {
    const [key, length] = [payload.readUInt32LE(at), payload.readUInt32LE(at + 4)];
    entries.push([key, payload.subarray(at + 8, at + 8 + length)]);
    at += 8 + Math.ceil(length / 4) * 4;
  }
  expect(at).toBe(payload.length);
  return entries;
}

const strings = (...texts: string[]) => Buffer.from(texts.map((text) => `${text}\0`).join(""));
const LOG = Buffer.from("00000001000000000400000000000000", "hex");

describe("what a keeper is told", () => {
  it("is the program, its environment and the bounds of the log, if it is told no more", () => {
    expect(entriesOf(encodeOrder({ argv: ["sh", "", "-c x"], env: { A: "1", B: "" } }))).toEqual([
      [1, strings("sh", "", "-c x")],
      [2, strings("A=1", "B=")],
      [7, LOG],
    ]);
  });

  it("is each part under its key", () => {
    const order: KeeperOrder = {
      argv: ["a"],
      env: {},
      cwd: "/data",
      terminal: { columns: 80, rows: 24 },
      owner: { uid: 3_000_000_000, gid: 5 },
      input: true,
      console: true,
      log: { size: 2 ** 33 + 65_536, files: 2 },
      cgroups: ["/one", "/two"],
      counted: 5 * 2 ** 32 + 7,
      accounts: { oomKills: ["/x", "/y"], memoryPeak: "/peak", cpuNanoseconds: "/ns", cpuMicroseconds: "/us" },
    };
    const adopt = { holder: 11, boots: 12, program: 13 };
    expect(entriesOf(encodeOrder(order, { starter: true, adopt, handedOver: 6 }))).toEqual([
      [1, strings("a")],
      [2, strings()],
      [3, strings("/data")],
      [4, words([80, 24])],
      [5, words([3_000_000_000, 5])],
      [6, words([1])],
      [7, Buffer.from("00000100020000000200000000000000", "hex")],
      [8, strings("/one")],
      [8, strings("/two")],
      [9, words([1])],
      [10, words([11, 12, 13])],
      [11, strings("/x")],
      [11, strings("/y")],
      [0x80000001, words([7, 5])],
      [12, strings("/peak")],
      [13, strings("/ns")],
      [14, strings("/us")],
      [15, words([6])],
      [16, words([1])],
    ]);
  });

  it("tells a starter that waits from one that does not, and leaves out what is not asked for", () => {
    const keys = (how: Parameters<typeof encodeOrder>[1]) =>
      entriesOf(encodeOrder({ argv: ["a"], env: {}, input: false, console: false }, how)).slice(3);
    expect(keys({ starter: "waits" })).toEqual([[9, words([2])]]);
    expect(keys({ starter: false, handedOver: 0 })).toEqual([]);
  });

  it.each([
    ["an argument", { argv: ["a", "b\0c"], env: {} }],
    ["a variable", { argv: ["a"], env: { A: "\0" } }],
    ["a path", { argv: ["a"], env: {}, cwd: "/\0" }],
  ])("cannot be %s with a NUL", (_, order) => {
    expect(() => encodeOrder(order)).toThrow("holds a NUL");
  });
});
