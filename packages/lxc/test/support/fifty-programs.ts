/** A process that dies with fifty programs under way. Arguments: the root of its host, the name of a running container. */
import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [, , root = "", name = ""] = process.argv;
const host = await openHost({ root, drivers: [lxc()] });
const system = await host.get(name, { driver: "lxc" });
const daemon = "setsid sleep 1000 & exec sleep 1001";
await Promise.all(Array.from({ length: 25 }, () => system.exec(["sh", "-c", daemon])));
// These are on their way.
for (let count = 0; count < 25; count += 1) void system.exec(["sh", "-c", daemon]).catch(() => undefined);
setImmediate(() => process.kill(process.pid, "SIGKILL"));
