import assert from "node:assert/strict";
import type { Plan } from "../../contract/backend.ts";
import type { ConfigChange } from "../../contract/change.ts";
import { collect, rejectsWith } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { openOtherHost } from "../kit/other-host.ts";

const MIB = 2 ** 20;
/** More than any instance of the kit uses, and less than a machine has by default. */
const MEMORY = 384 * MIB;

/** Chapter: the configuration changes, of what runs too. */
export function describeUpdate(fixture: Fixture): void {
  const effects = ({ changes }: Plan) => Object.fromEntries(changes.map(({ path, effect }) => [path, effect]));

  fixture.describe("update", () => {
    fixture.it("changes the keys that are given, takes back those that are null, and keeps the others", async () => {
      const instance = await fixture.create();
      await instance.update({ labels: { a: "1", b: "2" }, env: { A: "1" } });
      const { config } = await instance.inspect();
      const did = await instance.update({ labels: { b: null, c: "3" }, log: undefined });
      assert.deepEqual(effects(did), { labels: "live" });
      const after = { ...config, labels: { a: "1", c: "3" } };
      assert.deepEqual((await instance.inspect()).config, after);
      assert.deepEqual(await instance.update({ labels: { c: "3" } }), { changes: [] });
      const host = await fixture.reopen();
      const found = await host.get(instance.name);
      assert.deepEqual((await found.inspect()).config, after);
      await found.delete();
    });
    fixture.it("tells every watcher what has changed, and what has it already", async () => {
      const instance = await fixture.create();
      await using other = await openOtherHost(fixture);
      const host = await fixture.host();
      const isDeleted = ({ type }: { readonly type: string }) => type === "deleted";
      const seen = [collect(host.watch(), isDeleted), collect(instance.watch())];
      await other.tell("update", instance.name, { labels: { a: "1" }, env: { A: "1" } });
      await instance.update({ labels: { a: "1" } });
      await instance.delete();
      for (const events of await Promise.all(seen)) {
        const told = events.flatMap((event) => (event.type === "updated" ? [event] : []));
        const changes = told.map((event) =>
          Object.fromEntries(event.changes.map(({ path, effect }) => [path, effect])),
        );
        assert.deepEqual(changes, [{ labels: "live", env: "next-start" }]);
        assert.equal(told[0]?.instance, instance.name);
      }
    });
    fixture.it("plans a change without making it", async () => {
      await fixture.using(async (instance) => {
        const before = await instance.inspect();
        assert.deepEqual(effects(await instance.plan({ env: { A: "1" } })), { env: "next-start" });
        assert.deepEqual(await instance.inspect(), before);
      });
    });
    fixture.it("refuses what create() would refuse, and what is fixed, before anything is touched", async () => {
      await fixture.using(async (instance) => {
        const before = await instance.inspect();
        const refused: readonly [change: unknown, message: RegExp][] = [
          [{ limits: { memory: "much" } }, /limits\.memory/],
          [{ limits: { cpu: { set: "3-1" } } }, /limits\.cpu\.set/],
          [{ limits: { cpu: { priority: 11 } } }, /limits\.cpu\.priority/],
          [{ limits: { memry: "1GiB" } }, /limits\.memry.*memory/],
          [{ limits: { memry: null } }, /limits\.memry/],
          [{ limit: {} }, /limit.*limits/],
          [{ env: { "A=B": "1" } }, /env/],
          [{ env: { A: 1 } }, /env\.A/],
          [{ limits: null }, /limits/],
          ["1GiB", /must be an object/],
          [undefined, /must be an object|missing/],
        ];
        for (const [change, message] of refused)
          for (const call of [instance.update, instance.plan]) {
            const error = await rejectsWith(call.call(instance, change as ConfigChange), "ERR_CONFIG");
            assert.match(error.message, message);
          }
        const fixed: readonly [path: string, reason: RegExp][] = [
          ["name", /rename\(\)/],
          ["image", /fixed/],
        ];
        for (const [path, reason] of fixed) {
          const change = { [path]: "other" } as ConfigChange;
          const { changes } = await instance.plan(change);
          assert.deepEqual(effects({ changes }), { [path]: "unsupported" });
          assert.match(changes[0]?.reason ?? "", reason);
          assert.match((await rejectsWith(instance.update(change), "ERR_CONFIG")).message, reason);
        }
        assert.deepEqual(await instance.inspect(), before);
      });
    });
    fixture.it("changes what runs where it can, and says what waits for the next start", async () => {
      const instance = await fixture.create();
      await instance.start();
      const { startedAt, config } = await instance.inspect();
      const change = { labels: { of: "kit" }, limits: { memory: MEMORY } };
      const { changes } = await instance.plan(change);
      const effect = changes.find(({ path }) => path === "limits.memory")?.effect;
      if (effect === "unsupported") {
        const { limits, ...rest } = change;
        await rejectsWith(instance.update(change), "ERR_CONFIG");
        assert.deepEqual((await instance.inspect()).config, config);
        await instance.update(rest);
        assert.deepEqual((await instance.inspect()).config.labels, rest.labels);
        return instance.delete();
      }
      assert.deepEqual((await instance.update(change)).changes, changes);
      const info = await instance.inspect();
      assert.deepEqual([info.startedAt, info.state], [startedAt, "running"]);
      const limits = { ...config.limits, memory: { limit: MEMORY } };
      assert.deepEqual([info.config.limits, info.config.labels], [limits, change.labels]);
      assert.deepEqual(info.applied?.limits, effect === "live" ? undefined : config.limits);
      if (effect === "live") await assertLimit(instance, MEMORY);
      const host = await fixture.reopen();
      const adopted = (await host.get(instance.name)) as AnyInstance;
      assert.deepEqual(await adopted.inspect(), info);
      if (effect === "live") await assertLimit(adopted, MEMORY);
      await adopted.restart({ mode: "kill" });
      assert.equal((await adopted.inspect()).applied, undefined);
      await assertLimit(adopted, MEMORY);
      await adopted.delete();
    });
    fixture.it("takes processors as a number or an object, with those of the host and a share of them", async () => {
      await fixture.using(async (instance) => {
        const whole = await instance.plan({ limits: { cpu: 1 } });
        if (whole.changes.some(({ effect }) => effect === "unsupported")) {
          await rejectsWith(instance.update({ limits: { cpu: 1 } }), "ERR_CONFIG");
          return;
        }
        await instance.update({ limits: { cpu: 1 } });
        const before = (await instance.inspect()).config.limits;
        assert.deepEqual(before.cpu, { limit: 1 });
        await instance.start();
        const cpu = { limit: 1, set: "0", priority: 5 };
        const plan = await instance.plan({ limits: { cpu } });
        const refused = plan.changes.filter(({ effect }) => effect === "unsupported");
        if (refused.length > 0) {
          for (const { path, reason } of refused)
            assert.match(`${path}: ${reason}`, /^limits\.cpu\.(set|priority): \w/);
          await rejectsWith(instance.update({ limits: { cpu } }), "ERR_CONFIG");
        } else assert.deepEqual(effects(await instance.update({ limits: { cpu } })), { "limits.cpu": "live" });
        const missing = instance.update({ limits: { cpu: { set: "8191" } } });
        assert.match((await rejectsWith(missing, "ERR_CONFIG")).message, /limits\.cpu\.set/);
        const { limits } = (await instance.inspect()).config;
        assert.deepEqual(limits, refused.length > 0 ? before : { ...before, cpu });
      });
    });
    fixture.it("takes a soft limit of memory, or refuses it with the reason", async () => {
      await fixture.using(async (instance) => {
        await instance.start();
        const { config } = await instance.inspect();
        const memory = { limit: MEMORY, soft: MEMORY / 2 };
        const { changes } = await instance.plan({ limits: { memory } });
        if (changes.some(({ effect }) => effect === "unsupported")) {
          assert.match(
            (await rejectsWith(instance.update({ limits: { memory } }), "ERR_CONFIG")).message,
            /limits\.memory(\.soft)?: /,
          );
          assert.deepEqual((await instance.inspect()).config, config);
        } else {
          assert.deepEqual(effects(await instance.update({ limits: { memory } })), { "limits.memory": "live" });
          assert.deepEqual((await instance.inspect()).config.limits.memory, memory);
        }
      });
    });
    fixture.it(
      "gives new variables to the next program of exec",
      async () => {
        await fixture.using(async (instance) => {
          await instance.start();
          await instance.ready({ timeout: fixture.deadline });
          await instance.update({ env: { OF_KIT: "new" } });
          const echo = async () => (await instance.run(["sh", "-c", "echo $OF_KIT"])).stdout;
          assert.equal(await echo(), "new\n");
          await instance.update({ env: { OF_KIT: null } });
          assert.equal(await echo(), "\n");
        });
      },
      "exec",
    );
    fixture.it("takes the updates of two processes one after the other", async () => {
      await fixture.using(async (instance) => {
        await using other = await openOtherHost(fixture);
        const [mine, theirs] = [
          { both: "mine", mine: "1" },
          { both: "theirs", theirs: "1" },
        ];
        await Promise.all([instance.update({ labels: mine }), other.tell("update", instance.name, { labels: theirs })]);
        const { labels } = (await instance.inspect()).config;
        assert.ok(labels["both"] === "mine" || labels["both"] === "theirs");
        assert.deepEqual({ ...labels, both: "" }, { ...mine, ...theirs, both: "" });
        assert.deepEqual((await other.tell("inspect", instance.name)).config.labels, labels);
      });
    });
  });

  async function assertLimit(instance: AnyInstance, bytes: number): Promise<void> {
    if (!fixture.subject.capabilities.includes("metrics")) return;
    const { limitBytes } = (await instance.metrics()).memory;
    // A machine's guest counts less than it was given.
    if (limitBytes !== undefined)
      assert.ok(limitBytes <= bytes && limitBytes > bytes * 0.7, `a limit of ${limitBytes}`);
  }
}
