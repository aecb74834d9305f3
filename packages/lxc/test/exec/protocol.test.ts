import { describe, expect, it } from "vitest";
import { decodeMessages, encodeRequest, encodeResize, encodeSignal, waitStatus } from "../../src/exec/protocol.ts";

const REQUEST = { argv: ["a"], env: {}, cwd: "/", uid: 1, gid: 2, groups: [], tty: undefined } as const;
const confinement = Buffer.from("keepkeep\x01\0\0\0\0\0\0\0a filter");

describe("the request to the helper", () => {
  it("has its length, numbers and strings in the order that the helper reads them in", () => {
    const tty = { columns: 80, rows: 24 };
    const bytes = encodeRequest({
      ...REQUEST,
      argv: ["sh", "", "ü"],
      env: { A: "b=c" },
      groups: [7, 4_294_967_290],
      tty,
      confinement,
    });
    const words = Array.from({ length: 9 }, (_, index) => bytes.readUInt32LE(index * 4));
    expect(words).toEqual([bytes.length - 4, 1, 1, 2, 80, 24, 2, 3, 1]);
    expect(bytes.subarray(36, 52)).toEqual(confinement.subarray(0, 16));
    expect([bytes.readUInt32LE(52), bytes.readUInt32LE(56)]).toEqual([7, 4_294_967_290]);
    expect(bytes.subarray(60).toString()).toBe("a filter/\0sh\0\0ü\0A=b=c\0");
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
    const first = decodeMessages(bytes.subarray(0, 13));
    expect(first.messages).toEqual([{ kind: "started", pid: 77 }]);
    const second = decodeMessages(Buffer.concat([first.rest, bytes.subarray(13)]));
    expect(second.messages).toEqual([{ kind: "ended", status: { kind: "signaled", signal: "SIGKILL" } }]);
    expect(second.rest.length).toBe(0);
  });
  it("distinguish an exit with 143 from an end by SIGTERM", () => {
    expect(waitStatus(143 << 8)).toEqual({ kind: "exited", code: 143 });
    expect(waitStatus(15)).toEqual({ kind: "signaled", signal: "SIGTERM" });
    expect(waitStatus(15 | 0x80)).toEqual({ kind: "signaled", signal: "SIGTERM" });
    expect(waitStatus(37)).toEqual({ kind: "signaled", signal: "SIGRTMIN+3" });
  });
});
