import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { HostError } from "../../src/errors/all.ts";
import { readBoottimeAhead } from "../../src/system/time-namespace.ts";

/** What the folder of a process in /proc says of its time namespaces. */
function proc(links: readonly string[], offsets?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "pileus-time-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "ns"));
  for (const [at, name] of ["time", "time_for_children"].entries()) {
    const link = links[at];
    if (link !== undefined) symlinkSync(link, join(folder, "ns", name));
  }
  if (offsets !== undefined) writeFileSync(join(folder, "timens_offsets"), offsets);
  return folder;
}

const INITIAL = "time:[4026531834]";
const OTHER = "time:[4026532176]";
const OFFSETS = "monotonic           0         0\nboottime       -86400 250000000\n";

it("is ahead of the host by what the offsets say, also by less than nothing", () => {
  expect(readBoottimeAhead(proc([OTHER, OTHER], OFFSETS))).toBe(-86_399_750_000_000n);
  expect(readBoottimeAhead(proc([OTHER, OTHER], "7 9000000000 5\n"))).toBe(9_000_000_000_000_000_005n);
});

it("does not take the offsets of its children for those of the host", () => {
  expect(readBoottimeAhead(proc([INITIAL, OTHER], OFFSETS))).toBe(0n);
});

it("says so when its own offsets cannot be read", () => {
  const folder = proc(["time:[4026532177]", OTHER], OFFSETS);
  expect(() => readBoottimeAhead(folder)).toThrow(HostError);
  expect(() => readBoottimeAhead(folder)).toThrow("unshare --time --fork");
});

it("is not ahead on a kernel without time namespaces", () => {
  expect(readBoottimeAhead(proc([]))).toBe(0n);
});
