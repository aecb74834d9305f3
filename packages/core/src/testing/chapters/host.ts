import assert from "node:assert/strict";
import type { ListOptions } from "../../contract/host.ts";
import { rejectsWith } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";

/** Chapter: the host over all of its instances. */
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
    fixture.it("tells live what inspect() tells", async () => {
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

  fixture.describe("a handle whose host is disposed", () => {
    fixture.it("says so of everything that it is asked", async () => {
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
