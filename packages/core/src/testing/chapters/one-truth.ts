import assert from "node:assert/strict";
import type { Fixture } from "../kit/fixture.ts";
import { openOtherHost } from "../kit/other-host.ts";

/** Chapter: another process cannot find out what runs. That is its own trouble, and nobody else's. */
export function describeOneTruth(fixture: Fixture): void {
  if (fixture.subject.openBlind === undefined) return;
  const capabilities = fixture.subject.capabilities;

  fixture.describe("beside a host that cannot find out what runs", () => {
    fixture.it("an instance that runs here stays running, and everything that it can do goes on", async () => {
      const instance = await fixture.running();
      const { startedAt } = await instance.inspect();
      {
        await using other = await openOtherHost(fixture, { blind: true });
        const seen = await other.tell("inspect", instance.name);
        assert.equal(seen.state, "error");
        assert.ok((seen.error ?? "").length > 0, "it does not say why");
        for (const capability of capabilities)
          assert.deepEqual([capability, await other.tell("can", instance.name, capability)], [capability, false]);
        for (const deed of ["start", "stop", "restart"] as const)
          assert.match(await other.refusal(deed, instance.name), /\S/);
        assert.equal(await instance.state(), "running");
        assert.equal((await instance.inspect()).error, undefined);
        for (const capability of capabilities) assert.ok(instance.can(capability), `it lost ${capability}`);
        if (fixture.has("exec")) assert.equal((await instance.run(["echo", "here"])).stdout, "here\n");
        if (fixture.has("freeze")) {
          await instance.freeze();
          assert.equal((await other.tell("inspect", instance.name)).state, "error");
          await instance.unfreeze();
        }
      }
      const found = await (await fixture.reopen()).get(instance.name);
      const info = await found.inspect();
      assert.deepEqual([info.state, info.error, info.startedAt], ["running", undefined, startedAt]);
    });
    fixture.it("that host shows it stopped once it has stopped, and it starts again there", async () => {
      const instance = await fixture.running();
      await using other = await openOtherHost(fixture, { blind: true });
      assert.equal((await other.tell("inspect", instance.name)).state, "error");
      await instance.stop({ mode: "kill" });
      const { state, error } = await other.tell("inspect", instance.name);
      assert.deepEqual([state, error], ["stopped", undefined]);
      await other.tell("start", instance.name);
      assert.equal(await instance.state(), "running");
      await instance.stop({ mode: "kill" });
    });
  });
}
