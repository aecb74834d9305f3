import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { openHost } from "@pileus/core";
import { fake, importFakeImage } from "@pileus/core/testing";

// In memory, and so without root. With lxc() or qemu() only the driver and the image are others.
const root = await mkdtemp(join(tmpdir(), "pileus-watching-"));
const host = await openHost({ root, drivers: [fake()] });
const system = await host.create({ driver: "fake", name: "system", image: await importFakeImage(host) });
await system.start();

// The console: what was printed lately, then what is printed. Writing is typing.
const terminal = await system.console({ size: { columns: 80, rows: 24 } });
for await (const line of createInterface({ input: terminal })) {
  console.log(`console: ${line}`);
  if (line === "hello") break;
  terminal.write("hello\n");
}
terminal.destroy();

// The log: of this run, with the time of each line, since a moment.
console.log(`log: ${(await text(await system.logs({ tail: 1 }))).trim()}`);
const recent = await text(await system.logs({ since: new Date(Date.now() - 60_000), timestamps: true }));
for (const line of recent.trim().split("\n")) console.log(`log: ${line}`);

// Events of every process. Keep the cursor of the last one that you have dealt with…
let cursor = "oldest";
for await (const event of host.watch({ since: cursor })) {
  console.log(`event: ${event.type} ${event.type === "state" ? event.state : ""}`);
  cursor = event.cursor ?? cursor;
  if (event.type === "state" && event.state === "running") break;
}
await system.stop();
await system.delete();
await host[Symbol.asyncDispose]();

// …and a later process hears what came after it.
const later = await openHost({ root, drivers: [fake()] });
for await (const event of later.watch({ since: cursor })) {
  console.log(`later: ${event.type} ${event.type === "state" ? event.state : ""}`);
  if (event.type === "deleted") break;
}
await later[Symbol.asyncDispose]();
await rm(root, { recursive: true });
