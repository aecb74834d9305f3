import { it } from "node:test";
import { runApplication } from "../inside/application.ts";

it("instances run, and are left so for the reboot", async () => {
  (await runApplication()).kill();
});
