/** Says when each event of a root, and each line of its standard input, has reached it: `node journal-watcher.ts ROOT`. */
import { createInterface } from "node:readline";
import { openHost } from "@pileus/core";
import { fake } from "@pileus/core/testing";

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error("usage: journal-watcher.ts ROOT");
const say = (what: string) => process.stdout.write(`${what} ${process.hrtime.bigint()}\n`);
createInterface(process.stdin).on("line", say);
await using host = await openHost({ root, drivers: [fake()] });
const events = host.watch();
say("ready");
for await (const { cursor } of events) say(cursor ?? "");
