/** `update-loop.ts ROOT UUID SEED`: changes the limits of a container without end, until it is killed. */
import { isInstanceError, openHost } from "@pileus/core";
import { random } from "../../../core/test/keeper/log/random.ts";
import { lxc } from "../../src/index.ts";

const [root = "", uuid = "", seed = "1"] = process.argv.slice(2);
const { integer } = random(Number(seed));
const host = await openHost({ root, drivers: [lxc()] });
for (;;) {
  const all = await host.list();
  const name = all.find((info) => info.uuid === uuid)?.name ?? "";
  try {
    const box = await host.get(name, { driver: "lxc" });
    await box.update({ limits: { memory: 2 ** 20 * (32 + integer(64)), processes: 100 + integer(100) } });
    process.stdout.write("updated\n");
  } catch (error) {
    // It may have another name by now.
    if (!isInstanceError(error)) throw error;
    process.stdout.write(`${error.code} ${error.message}\n`);
  }
}
