import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { idsInUse } from "../../src/idmap/foreign.ts";

const NOBODY = 65_534;
let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), "pileus-proc-"));
  chmodSync(proc, 0o755);
  addProcess("self", "0 0 4294967295");
});
afterEach(() => rmSync(proc, { recursive: true }));

function addProcess(pid: string, map: string): void {
  const ns = join(proc, pid, "ns");
  mkdirSync(ns, { recursive: true });
  symlinkSync("user:[1]", join(ns, "user"));
  for (const kind of ["uid_map", "gid_map"]) writeFileSync(join(proc, pid, kind), `${map}\n`);
}

/** Root may look at everything. */
function asNobody<T>(work: () => T): T {
  const self = process.geteuid?.();
  if (self === 0) process.seteuid?.(NOBODY);
  try {
    return work();
  } finally {
    if (self === 0) process.seteuid?.(0);
  }
}

it("counts the ids of a process with more rights than ours, unless it has the same as we have", () => {
  for (const [pid, map] of [
    ["8", "0 1000000 65536"],
    ["9", "0 0 4294967295"],
  ] as const) {
    addProcess(pid, map);
    chmodSync(join(proc, pid, "ns"), 0);
  }
  expect(asNobody(() => idsInUse(proc))).toEqual(
    ["uid_map", "gid_map"].map(() => ({ base: 1_000_000, count: 65_536, owner: "the container with process 8" })),
  );
});
