/** Opens the root of argv, creates as many containers as argv says at the same time, and prints the ids of each. */
import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";
import { subject } from "./lxc-subject.ts";

const [root = "", prefix = "", number = ""] = process.argv.slice(2);
await using host = await openHost({ root, drivers: [lxc()] });
const image = await subject.image(host);
const made = await Promise.all(
  Array.from({ length: Number(number) }, (_, i) => host.create({ driver: "lxc", name: `${prefix}${i}`, image })),
);
process.stdout.write(JSON.stringify(await Promise.all(made.map(async (instance) => (await instance.inspect()).idmap))));
