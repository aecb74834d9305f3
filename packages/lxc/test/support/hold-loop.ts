import { existsSync } from "node:fs";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

/**
 * A process that starts an instance, watches it, and holds its event loop until another process has deleted it. Prints
 * `holding`, then the last event that it received, and the state that a call returns.
 */
const [root = "", name = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
const instance = await host.get(name);
await instance.start();
const events = instance.watch();
process.stdout.write("holding\n");
const late = Date.now() + 30_000;
while (existsSync(join(root, "names", name)) && Date.now() < late);
let last = "";
for await (const { type } of events) last = type;
const state = await instance.state().catch((error: { readonly state?: string }) => error.state);
process.stdout.write(`${last} ${state}\n`);
await host[Symbol.asyncDispose]();
