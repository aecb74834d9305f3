/** An application that has a virtual machine, which it starts and freezes: its guest needs no time, and never boots. */
import { fileURLToPath } from "node:url";
import { tell } from "./application.ts";
import { image, openMachines } from "./host.ts";

const PROGRAM = fileURLToPath(import.meta.url);
export const COMMAND = `${process.execPath} ${PROGRAM}`;
export const MACHINE = "application-qemu";

if (process.argv[1] === PROGRAM) {
  process.on("uncaughtException", (error) => {
    tell(String(error));
    process.exit(1);
  });
  const host = await openMachines();
  const known = (await host.list()).find(({ name }) => name === MACHINE);
  if (known === undefined) await image(host.images, "lxc");
  const limits = { memory: "192MiB" };
  const machine = await (known === undefined
    ? host.create({ driver: "qemu", name: MACHINE, image: "lxc", limits, qemu: { rootSize: "64MiB" } })
    : host.get(MACHINE));
  if ((await machine.state()) === "stopped") await machine.start();
  if ((await machine.state()) === "running") await machine.freeze();
  tell(String(process.pid));
  setInterval(() => undefined, 2 ** 30);
}
