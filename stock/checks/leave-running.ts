import { it } from "node:test";
import { runApplication } from "../inside/application.ts";

it("instances run, and keep running until the reboot", async () => {
  (await runApplication()).child.kill();
});
