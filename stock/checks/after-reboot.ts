import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { assertAllAlive, removeAll } from "../inside/alive.ts";
import { nameOf } from "../inside/application.ts";
import { DRIVERS, FACTOR, NETWORK, open } from "../inside/host.ts";

describe("after a reboot of the host", () => {
  let host: Awaited<ReturnType<typeof open>>;
  before(async () => {
    host = await open();
  });
  after(async () => {
    await host[Symbol.asyncDispose]();
    await removeAll();
  });

  it("instances are stopped, and no call requested it", async () => {
    for (const driver of DRIVERS) {
      const { state, exit } = await (await host.get(nameOf(driver))).inspect();
      assert.equal(state, "stopped");
      // `program` if its monitor could still record how it ended.
      assert.match(exit?.reason ?? "", /^(lost|program)$/);
    }
  });
  it("a start raises the network again, and instances have their files, limits and names", async () => {
    for (const driver of DRIVERS) {
      const instance = await host.get(nameOf(driver));
      await instance.start();
      await instance.ready({ timeout: 30_000 * FACTOR });
    }
    assert.equal((await host.networks.get(NETWORK.name)).up, true);
    await assertAllAlive();
  });
});
