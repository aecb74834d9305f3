/** A journal in a process with 64 descriptors of which none is free for a while: prints what it could do. */

import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { event } from "./support.ts";

const [folder = ""] = process.argv.slice(2);
const names: string[] = [];
const listener = { event: ({ instance }: { instance: string }) => void names.push(instance), missed: () => undefined };
const bounds = { segmentBytes: 600, segments: 3 };
const early = new Journal(folder, listener, bounds);
execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=64"]);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync("/dev/null", "r"));
} catch {}
const without = [1, 2, 3, 4, 5, 6].map((count) => early.publish([event(`without-${count}`)]));
const late = new Journal(folder, { event: () => undefined, missed: () => undefined }, bounds);
const issues = [early.issues.length, late.issues.length];
for (const descriptor of taken) closeSync(descriptor);
const after = [early.publish([event("after")]), late.publish([event("late")])];
early.readOn();
process.stdout.write(JSON.stringify({ without, issues, after, names, end: [early.issues, late.issues] }));
