/**
 * `in-time-namespace.ts start ROOT NAME IMAGE`: starts an ephemeral container, prints `running`, and leaves it at the
 * end of its input.
 * `in-time-namespace.ts find ROOT NAME`: prints what it sees and does as JSON.
 */
import { once } from "node:events";
import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [verb = "", root = "", name = "", image = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
if (verb === "start") {
  await host.ephemeral({ driver: "lxc", name, image });
  process.stdout.write("running");
  await once(process.stdin.resume(), "end");
  process.exit();
} else {
  const swept = await host.sweep();
  const instance = await host.get(name, { driver: "lxc" });
  const { state, pid } = await instance.inspect();
  const { stdout } = await instance.run(["echo", "inside"]);
  process.stdout.write(JSON.stringify({ swept, state, pid, stdout }));
  await host[Symbol.asyncDispose]();
}
