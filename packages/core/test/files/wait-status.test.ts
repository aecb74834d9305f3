import { expect, it } from "vitest";
import { waitStatus } from "../../src/files/wait-status.ts";

it("distinguishes an exit with 143 from an end by SIGTERM", () => {
  expect(waitStatus(143 << 8)).toEqual({ kind: "exited", code: 143 });
  expect(waitStatus(15)).toEqual({ kind: "signaled", signal: "SIGTERM" });
  expect(waitStatus(15 | 0x80)).toEqual({ kind: "signaled", signal: "SIGTERM" });
  expect(waitStatus(37)).toEqual({ kind: "signaled", signal: "SIGRTMIN+3" });
});
