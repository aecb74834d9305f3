import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

/**
 * A process that watches an instance, which it starts if nobody has: prints `watching`, and once it has dealt with the end
 * of the run `over`.
 */
const [root = "", name = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
const instance = await host.get(name);
await instance.start();
const end = instance.wait();
// A no-op that has its turn after wait(): from here on this process waits without holding the instance's lock.
await instance.start();
process.stdout.write("watching\n");
await end;
process.stdout.write("over\n");
await host[Symbol.asyncDispose]();
