/** A process to be killed: gives an instance one name after the other, without an end, or kills itself at a step. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openHostWith } from "../../src/host.ts";
import { Scripted } from "./scripted.ts";
import { storedNames } from "./stored-names.ts";

const [root, step] = process.argv.slice(2);
if (root === undefined || step === undefined) throw new Error("usage: rename-child.ts ROOT STEP");
const served = storedNames(root, (here) => {
  if (step === here) process.kill(process.pid, "SIGKILL");
});
const host = await openHostWith({ root, drivers: [new Scripted().driver()] }, served);
const [known] = await host.list();
const instance =
  known === undefined
    ? await host.create({ driver: "scripted", name: "n0", image: "base" })
    : await host.get(known.name);
process.stdout.write("there\n");
const counter = join(root, "..", "count");
for (let count = Number(readFileSync(counter, "utf8")); ; count += 1) {
  writeFileSync(counter, String(count + 1));
  await instance.rename(`n${count}`);
}
