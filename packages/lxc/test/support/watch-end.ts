import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

/**
 * A process that watches an instance, and starts it if it does not run. Prints `watching`, and `over` when it has
 * handled the end of the run.
 */
const [root = "", name = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
const instance = await host.get(name);
await instance.start();
const end = instance.wait();
// A no-op that gets the lock after wait(): from here on this process waits without holding the instance's lock.
await instance.start();
process.stdout.write("watching\n");
await end;
process.stdout.write("over\n");
await host[Symbol.asyncDispose]();
