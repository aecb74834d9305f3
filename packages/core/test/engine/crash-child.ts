/** A process to be killed: does one thing on a root, says so, and never ends by itself. */

import { openHostWith } from "../../src/host.ts";
import { Scripted, smallParts } from "./scripted.ts";

const [root, step] = process.argv.slice(2);
const scripted = new Scripted();
const stand = () => {
  process.stdout.write("there\n");
  return new Promise<never>(() => setInterval(() => {}, 1000));
};
if (step === "materialize") scripted.script.materialize = stand;
if (step === "remove") scripted.script.remove = stand;
if (step === "launch") scripted.script.launch = stand;
if (root === undefined) throw new Error("usage: crash-child.ts ROOT STEP");
const host = await openHostWith({ root, drivers: [scripted.driver()] }, smallParts().parts);
const instance = await host.create({ driver: "scripted", name: "a", image: "base" });
if (step === "remove") await instance.delete();
if (step === "launch") await instance.start();
await stand();
