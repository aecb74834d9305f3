/**
 * A process to be killed: once it is told to begin, it appends to a journal, with an operation open at every moment, and
 * says so before each time. Ends with its standard input.
 */

import { once } from "node:events";

import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { event, UUID } from "./support.ts";

const [folder, name] = process.argv.slice(2);
if (folder === undefined || name === undefined) throw new Error("usage: appender.ts FOLDER NAME");
const journal = new Journal(
  folder,
  { event: () => undefined, missed: () => undefined },
  { segmentBytes: 20_000, segments: 1000 },
);
process.stdin.on("end", () => process.exit());
writeSync(1, "0\n");
await once(process.stdin, "data");
let open = journal.begin({ kind: "test", instance: `${name}-0`, uuid: UUID });
for (let count = 1; ; count += 1) {
  writeSync(1, `${count}\n`);
  const next = journal.begin({ kind: "test", instance: `${name}-${count}`, uuid: UUID });
  if (!journal.publish([event(`${name}-${count}`), event(`${name}-${count}-too`)], [open]))
    throw new Error("not written");
  open = next;
  await setTimeout(1);
}
