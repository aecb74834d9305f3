// Starts a program with a keeper, and waits to be killed. Arguments: the folders of the run and of the log.
import { launchKeeper } from "../../src/keeper/launch.ts";
import { shell } from "./support-order.ts";

const [, , run = "", log = ""] = process.argv;
const launched = await launchKeeper({ run, log }, shell("exec sleep 1000"));
await launched.begin();
process.stdout.write("running\n");
setInterval(() => undefined, 1000);
