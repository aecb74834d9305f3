import assert from "node:assert/strict";
import { CAPABILITIES, type Capability } from "../../contract/capability.ts";
import type { UnsupportedError } from "../../contract/errors.ts";
import type { AnyInstance, Bench } from "../kit/bench.ts";
import { rejectsWith } from "../kit/expect.ts";

/** Chapter: what is refused, and with what. */
export function describeErrors(bench: Bench): void {
  bench.describe("create refuses", () => {
    const refuses = (what: string, keys: Readonly<Record<string, unknown>>, told: RegExp) =>
      bench.it(what, async () => {
        const host = await bench.host();
        const before = await host.list();
        const config = { ...(await bench.config()), ...keys } as Awaited<ReturnType<Bench["config"]>>;
        const error = await rejectsWith(host.create(config), "ERR_INSTANCE_CONFIG");
        assert.match(error.message, told);
        assert.deepEqual(await host.list(), before);
      });
    refuses("an unknown key, naming the nearest known one", { limit: {} }, /limit.*limits/);
    refuses("an unknown key within a key", { limits: { memroy: "1GiB" } }, /memroy.*memory/);
    refuses("a size that is none", { limits: { memory: "lots" } }, /limits\.memory/);
    refuses("a limit that is impossible", { limits: { processes: -1 } }, /limits\.processes/);
    refuses("a device of a type that there is not", { devices: { eth0: { type: "teleporter" } } }, /devices\.eth0/);
    refuses("a variable's name with =", { env: { "A=B": "1" } }, /env/);
    refuses(
      "an unknown driver, naming those that there are",
      { driver: "no-such-driver" },
      new RegExp(bench.subject.driver),
    );
    for (const name of ["", "UPPER", "under_score", "-first", "last-", "a".repeat(64), "../up", "a/b", "a\nb", "☁"]) {
      refuses(`the name ${JSON.stringify(name)}`, { name }, /name/);
    }
    bench.it("everything that is wrong at once", async () => {
      const config = { ...(await bench.config()), name: "-", limits: { cpu: 0 } };
      const error = await rejectsWith((await bench.host()).create(config), "ERR_INSTANCE_CONFIG");
      const { issues } = error as unknown as { issues: readonly { path: readonly unknown[] }[] };
      assert.deepEqual(issues.map(({ path }) => path.join(".")).sort(), ["limits.cpu", "name"]);
    });
    bench.it("an image that is not there", async () => {
      const config = { ...(await bench.config()), image: "no-such-image" };
      await rejectsWith((await bench.host()).create(config), "ERR_INSTANCE_NOT_FOUND");
    });
    bench.it(
      "a network that is not there",
      async () => {
        const config = { ...(await bench.config()), devices: { eth0: { type: "nic" as const, network: "nonet9" } } };
        await rejectsWith((await bench.host()).create(config), "ERR_INSTANCE_NOT_FOUND");
      },
      "network",
    );
    bench.it("a name that is taken, and one of two who want it at once", async () => {
      await bench.using(async ({ name }) => {
        await rejectsWith(bench.create(name), "ERR_INSTANCE_EXISTS");
        assert.equal(await (await (await bench.host()).get(name)).state(), "stopped");
      });
      const name = bench.name();
      const both = await Promise.allSettled([bench.create(name), bench.create(name)]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const [lost] = both.filter((result) => result.status === "rejected");
      await rejectsWith(Promise.reject(lost?.reason), "ERR_INSTANCE_EXISTS");
      await (await (await bench.host()).get(name)).delete();
    });
  });

  bench.describe("the host", () => {
    bench.it("rejects with NotFoundError for an instance that is not there", async () => {
      const host = await bench.host();
      await rejectsWith(host.get("kit-none"), "ERR_INSTANCE_NOT_FOUND");
      await rejectsWith(host.get("../instances"), "ERR_INSTANCE_NOT_FOUND");
    });
    bench.it("answers doctor() with what it found of the driver", async () => {
      const report = await (await bench.host()).doctor();
      const found = report.drivers[bench.subject.driver];
      assert.ok(found !== undefined);
      assert.deepEqual(found.missing, []);
      assert.equal(found.usable, true);
      assert.ok(String(report).includes(bench.subject.driver));
    });
  });

  bench.describe("a deleted instance", () => {
    bench.it("rejects with StateError whatever is asked of it", async () => {
      const instance = await bench.create();
      await instance.delete();
      await rejectsWith(instance.start(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.stop(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.inspect(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.wait(), "ERR_INSTANCE_STATE");
    });
  });

  bench.describe("a stopped instance", () => {
    bench.it("rejects with StateError what needs it to run", async () => {
      const instance = await bench.stopped();
      await rejectsWith(instance.ready(), "ERR_INSTANCE_STATE");
      for (const capability of bench.subject.capabilities) {
        if (capability === "logs") continue;
        for (const call of CALLS[capability]) await rejectsWith(call(instance), "ERR_INSTANCE_STATE");
      }
    });
  });

  bench.describe("capabilities", () => {
    bench.it("are those that the driver declares", async () => {
      const instance = await bench.stopped();
      for (const capability of CAPABILITIES) {
        assert.equal(instance.can(capability), bench.has(capability), capability);
      }
    });
    for (const capability of CAPABILITIES.filter((one) => !bench.has(one))) {
      bench.it(`without ${capability}, its calls reject with UnsupportedError`, async () => {
        for (const instance of [await bench.stopped(), await bench.running()]) {
          for (const call of CALLS[capability]) {
            const error = await rejectsWith(call(instance), "ERR_INSTANCE_UNSUPPORTED");
            assert.equal((error as UnsupportedError).capability, capability);
            assert.ok((error as UnsupportedError).reason.length > 0);
          }
        }
      });
    }
  });
}

type Call = (instance: AnyInstance, options?: { readonly signal: AbortSignal }) => Promise<unknown>;

/** Every operation of each capability, called with arguments that are valid. */
export const CALLS: Readonly<Record<Capability, readonly Call[]>> = {
  exec: [
    (instance, options) => instance.run(["true"], options),
    (instance, options) => instance.exec(["true"], options),
    (instance, options) => instance.exec(["true"], { tty: { columns: 80, rows: 24 }, ...options }),
  ],
  files: [
    ({ files }, options) => files.read("/etc/passwd", options),
    ({ files }, options) => files.readAll("/etc/passwd", options),
    ({ files }, options) => files.write("/tmp/f", "", options),
    ({ files }, options) => files.stat("/", options),
    ({ files }, options) => files.list("/", options),
    ({ files }, options) => files.mkdir("/tmp/d", options),
    ({ files }, options) => files.remove("/tmp/d", { recursive: true, ...options }),
    ({ files }, options) => files.push("/etc/hostname", "/tmp/f", options),
    ({ files }, options) => files.pull("/etc/passwd", "/nowhere/f", options),
  ],
  freeze: [(instance, options) => instance.freeze(options), (instance, options) => instance.unfreeze(options)],
  network: [(instance, options) => instance.addresses(options)],
  metrics: [(instance, options) => instance.metrics(options)],
  logs: [(instance, options) => instance.logs("console", options)],
};
