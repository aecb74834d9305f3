/** A process without free descriptors: prints the result of each way to start a tool. Under `prlimit --nofile=64`. */
import { closeSync, openSync } from "node:fs";
import { startTool } from "../../src/images/tool.ts";
import { spawn } from "../../src/system/spawn.ts";

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
