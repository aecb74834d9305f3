/** Does one operation with an effect on the host, and kills itself at the given step. */

import { writeFileSync } from "node:fs";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { UUID } from "./support.ts";

const [folder, effect, step] = process.argv.slice(2);
if (folder === undefined || effect === undefined) throw new Error("usage: operation-child.ts FOLDER EFFECT STEP");
const reach = (here: string) => {
  if (step === here) process.kill(process.pid, "SIGKILL");
};
const journal = new Journal(folder, { event: () => undefined, missed: () => undefined });
reach("before the begin");
const operation = journal.begin({ kind: "attach", instance: "a", uuid: UUID, data: { effect }, durable: true });
reach("after the begin");
writeFileSync(effect, "");
reach("after the effect");
operation.end();
reach("after the end");
