/** A process without free descriptors: prints the result of each way to start a tool. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { spawn } from "../../src/system/spawn.ts";
import { startTool } from "../../src/system/stream-tool.ts";

const { signal } = new AbortController();
const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  spawn: () => spawn(["true"]),
  "spawn with input": () => spawn(["cat"], { stdin: "x", diesWithUs: true }),
  startTool: async () => startTool(["cat"], { fromPackage: "coreutils", signal }),
};

function takeAll(): number[] {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    return taken;
  }
}

// A host has loaded the FFI long before. Node's loader needs many descriptors at once.
await spawn(["true"]);
execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=64"]);
const told: unknown[] = [];
const taken = takeAll();
for (const [way, go] of Object.entries(ways)) {
  try {
    await go();
    told.push([way, "started"]);
  } catch (error) {
    told.push([way, (error as { missing?: { need: string }[] }).missing?.map(({ need }) => need) ?? String(error)]);
  }
}
for (const fd of taken) closeSync(fd);
await spawn(["true"]);
process.stdout.write(JSON.stringify(told));
