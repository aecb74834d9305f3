/** `disk-loop.ts ROOT NAME SOURCE`: attaches and detaches a disk without end, until it is killed. */
import { isInstanceError, openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [root = "", name = "", source = ""] = process.argv.slice(2);
const host = await openHost({ root, drivers: [lxc()] });
const box = await host.get(name, { driver: "lxc" });
for (;;) {
  try {
    await box.attachDevice("killed", { type: "disk", source, path: "/killed/deep" });
    process.stdout.write("attached\n");
    await box.detachDevice("killed");
  } catch (error) {
    // The process before it was killed with the disk attached.
    if (!isInstanceError(error, "ERR_DEVICE_EXISTS")) throw error;
    await box.detachDevice("killed");
  }
}
