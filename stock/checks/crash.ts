import assert from "node:assert/strict";
import { once } from "node:events";
import { it } from "node:test";
import { leftovers } from "../../packages/lxc/test/support/leftovers.ts";
import { assertAllAlive, removeAll } from "../inside/alive.ts";
import { runApplication } from "../inside/application.ts";
import { open, ROOT } from "../inside/host.ts";

it("a process that is killed leaves its instances and network to the next, which removes them without a trace", async () => {
  const { child } = await runApplication();
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
  await assertAllAlive();
  await removeAll();
  await using _host = await open();
  assert.deepEqual(await leftovers(ROOT), []);
});
