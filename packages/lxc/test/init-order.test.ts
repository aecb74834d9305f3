import { describe, expect, it } from "vitest";
import { encodeInitOrder } from "../src/init-order.ts";

const CONSOLE = { kind: "console" } as const;
const PIPES = { kind: "pipes", owner: { uid: 7, gid: 8 } } as const;

/** The numbers before the strings, and the strings. */
function decoded(spec: Parameters<typeof encodeInitOrder>[0]) {
  const order = encodeInitOrder(spec);
  const [groups = 0, strings = 0] = [order.readUInt32LE(16), order.readUInt32LE(20)];
  const head = Array.from({ length: 6 + groups }, (_, index) => order.readUInt32LE(index * 4));
  return { head, strings, texts: order.subarray(head.length * 4).toString() };
}

describe("what PID 1 becomes", () => {
  it("is root at the root of the tree, and the program itself, unless it is told otherwise", () => {
    const init = { argv: ["/sbin/init"], haltSignal: 15 };
    expect(decoded({ init, output: CONSOLE })).toEqual({
      head: [0, 0, 0, 1, 0, 1],
      strings: 1,
      texts: "/\0/sbin/init\0",
    });
  });

  // struct orders of helper/init-helper.c.
  it("is told as the helper reads it", () => {
    const init = { argv: ["sh", "", "a b"], uid: 5, gid: 6, groups: [70_000, 9], cwd: "/data", haltSignal: 15 };
    const rest = { strings: 3, texts: "/data\0sh\0\0a b\0" };
    expect(decoded({ init: { ...init, role: "reaper" }, output: PIPES })).toEqual({
      head: [5, 6, 1, 0, 2, 3, 70_000, 9],
      ...rest,
    });
    expect(decoded({ init: { ...init, role: "idle" }, output: PIPES }).head[2]).toBe(2);
  });
});
