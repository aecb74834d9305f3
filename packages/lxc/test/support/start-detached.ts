import { KeptHere } from "./kept-here.ts";

// Starts programs one after the other, until it is killed: node … start-detached.ts RUN
const [, , run] = process.argv;
const kept = new KeptHere(run);
process.stdout.write("begins\n");
for (let number = 0; number < 30; number += 1) {
  const { id } = await kept.start("echo $PPID; exec sleep 1000");
  process.stdout.write(`${id}\n`);
}
