import assert from "node:assert/strict";
import type { ListOptions } from "../../contract/host.ts";
import { isInstanceError } from "../../errors/all.ts";
import { crashHost } from "../kit/crash.ts";
import { eventually, rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

/** Chapter: calls of the host that concern several instances, and lifetimes. */
export function describeHost(fixture: Fixture): void {
  const { subject } = fixture;

  fixture.describe("list", () => {
    fixture.it("filters by labels, kind and driver", async () => {
      await fixture.using(
        async (instance) => {
          const host = await fixture.host();
          const { kind, name } = await instance.inspect();
          const listed = async (options: ListOptions) => (await host.list(options)).some((info) => info.name === name);
          assert.ok(await listed({ labels: { kit: "list" } }));
          assert.ok(await listed({ labels: { kit: "list", more: "" }, kind, driver: subject.driver }));
          assert.ok(!(await listed({ labels: { kit: "lis" } })));
          assert.ok(!(await listed({ labels: { kit: "list", other: "" } })));
          assert.ok(!(await listed({ driver: "other" })));
          const kinds = ["system-container", "application-container", "virtual-machine"] as const;
          for (const other of kinds) assert.equal(await listed({ kind: other }), other === kind);
        },
        { labels: { kit: "list", more: "" } },
      );
    });
    fixture.it("lists live what inspect() returns", async () => {
      const host = await fixture.host();
      const info = await (await fixture.running()).inspect();
      const live = await (await fixture.reopen()).list({ state: "live" });
      assert.deepEqual(
        live.find(({ name }) => name === info.name),
        info,
      );
      await rejectsWith(host.list(), "ERR_CONNECTION");
    });
  });

  fixture.describe("ephemeral", () => {
    fixture.it("creates an instance that is ready, with the option ready", async () => {
      const host = await fixture.host();
      const config = await fixture.config("kit-ephemeral");
      await using instance = await host.ephemeral(config, { ready: { timeout: fixture.deadline } });
      assert.deepEqual([(await instance.inspect()).ephemeral, await instance.state()], [true, "running"]);
      if (fixture.has("exec")) assert.equal((await (instance as AnyInstance).run(["echo", "here"])).stdout, "here\n");
    });
    fixture.it("leaves an instance to its process while that lives", async () => {
      const host = await fixture.host();
      await using instance = await host.ephemeral(await fixture.config("kit-ephemeral"));
      assert.deepEqual(await host.sweep(), []);
      assert.equal(await instance.state(), "running");
    });
    if (subject.crash.how === "kill") {
      fixture.it("leaves an instance to sweep() once its process is dead", async () => {
        await fixture.deleteAll();
        await fixture.image();
        await crashHost(fixture, [
          { name: "kit-left", state: "ephemeral" },
          { name: "kit-kept", state: "stopped" },
        ]);
        const host = await fixture.reopen();
        assert.deepEqual(await host.sweep({ labels: { kit: "other" } }), []);
        assert.deepEqual(await host.sweep(), ["kit-left"]);
        assert.deepEqual(
          (await host.list()).map(({ name }) => name),
          ["kit-kept"],
        );
        await fixture.deleteAll();
        await fixture.assertNothingLeft();
      });
    }
  });

  fixture.describe("a lifetime", () => {
    fixture.it("that has passed ends an instance, which is not started again", async () => {
      const host = await fixture.host();
      const instance = await host.create(await fixture.config("kit-expires"), { expires: 2000 });
      try {
        assert.ok(((await instance.inspect()).expiresAt ?? 0) > Date.now());
        await instance.start();
        await within(fixture.deadline * 2, "the end of its lifetime", instance.wait());
        const refused = await rejectsWith(instance.start(), "ERR_INSTANCE_STATE");
        assert.equal(refused.expiresAt, (await instance.inspect()).expiresAt);
      } finally {
        await instance.delete();
      }
    });
    fixture.it("that has passed deletes an ephemeral instance", async () => {
      const host = await fixture.host();
      // On a slow host it passes during the start.
      const passed = (error: unknown) => assert.ok(isInstanceError(error, "ERR_INSTANCE_STATE"), String(error));
      await host.ephemeral(await fixture.config("kit-expires"), { expires: 500 }).catch(passed);
      await eventually(fixture.deadline, "its deletion", async () => {
        const names = (await host.list()).map(({ name }) => name);
        return !names.includes("kit-expires") || undefined;
      });
    });
  });

  fixture.describe("a handle whose host is disposed", () => {
    fixture.it("rejects every call and says why", async () => {
      const instance = await fixture.running();
      await fixture.reopen();
      const calls: readonly (() => unknown)[] = [
        () => instance.state(),
        () => instance.inspect(),
        () => instance.start(),
        () => instance.stop(),
        () => instance.wait(),
        () => instance.delete(),
        () => instance.can("exec"),
        () => instance.watch(),
        () => instance.events,
      ];
      for (const call of calls) await rejectsWith((async () => call())(), "ERR_CONNECTION");
      assert.equal(await (await fixture.running()).state(), "running");
    });
  });
}
