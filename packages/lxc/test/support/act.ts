/**
 * `act.ts create ROOT NAME IMAGE`: prints the error. `act.ts start ROOT NAME PROGRAM`: prints the ids of the instance
 * and what its program prints, and stops it.
 */
import { isInstanceError, openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [verb = "", root = "", name = "", last = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
try {
  if (verb === "create") await host.create({ driver: "lxc", name, image: last });
  const instance = await host.get(name, { driver: "lxc" });
  await instance.start();
  const { stdout } = await instance.run(["sh", "-c", last]);
  process.stdout.write(JSON.stringify({ idmap: (await instance.inspect()).idmap, stdout }));
  await instance.stop({ mode: "kill" });
} catch (error) {
  if (!isInstanceError(error)) throw error;
  process.stdout.write(`${error.code} ${error.message}`);
}
await host[Symbol.asyncDispose]();
