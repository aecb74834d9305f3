import { describe, expect, it } from "vitest";
import { encodeRequest, encodeResize, encodeSignal, helperMessages, programMessages } from "../../src/exec/protocol.ts";

const REQUEST = { argv: ["a"], env: {}, cwd: "/", uid: 1, gid: 2, groups: [], tty: undefined } as const;

describe("the request to the helper", () => {
  it("has its length, numbers and strings in the order that the helper reads them in", () => {
    const tty = { columns: 80, rows: 24 };
    const bytes = encodeRequest({
      ...REQUEST,
      argv: ["sh", "", "ü"],
      env: { A: "b=c" },
      groups: [7, 4_294_967_290],
      tty,
    });
    const words = Array.from({ length: 9 }, (_, index) => bytes.readUInt32LE(index * 4));
    expect(words).toEqual([bytes.length - 4, 1, 1, 2, 80, 24, 2, 3, 1]);
    expect([bytes.readUInt32LE(36), bytes.readUInt32LE(40)]).toEqual([7, 4_294_967_290]);
    expect(bytes.subarray(44).toString()).toBe("/\0sh\0\0ü\0A=b=c\0");
  });
  it("is followed by frames of two words", () => {
    expect([...encodeSignal("SIGTERM")]).toEqual([1, 0, 0, 0, 15, 0, 0, 0]);
    expect(encodeResize({ columns: 300, rows: 2 }).readUInt32LE(4)).toBe((300 << 16) | 2);
  });
});

describe("the messages from the helper", () => {
  it("are read across pieces of any size", () => {
    const bytes = Buffer.alloc(24);
    for (const [index, word] of [1, 77, 3, 9, 9, 9].entries()) bytes.writeUInt32LE(word, index * 4);
    const decode = programMessages();
    expect(decode(bytes.subarray(0, 13))).toEqual([{ kind: "started", pid: 77 }]);
    // The last one has a kind that does not exist.
    expect(decode(bytes.subarray(13))).toEqual([{ kind: "ended", status: { kind: "signaled", signal: "SIGKILL" } }]);
  });
  it("about connections have their numbers", () => {
    const bytes = Buffer.alloc(24);
    for (const [index, word] of [1, 7, 2, 8, 3, 22].entries()) bytes.writeUInt32LE(word, index * 4);
    expect(helperMessages()(bytes)).toEqual([
      { kind: "taken", number: 7 },
      { kind: "refused", number: 8 },
      { kind: "broken", errno: 22 },
    ]);
  });
});
