/** Deletes an instance: `delete.ts ROOT NAME`. */
import { openHost } from "@pileus/core";
import { lxc } from "../../src/index.ts";

const [root = "", name = ""] = process.argv.slice(2);
await using host = await openHost({ root, drivers: [lxc()] });
await (await host.get(name)).delete();
