import assert from "node:assert/strict";
import { CAPABILITIES, type Capability } from "../../contract/capability.ts";
import { passing, rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

/** Chapter: refused calls and their errors. */
export function describeErrors(fixture: Fixture): void {
  fixture.describe("create refuses", () => {
    const refuses = (what: string, keys: Readonly<Record<string, unknown>>, told: RegExp) =>
      fixture.it(what, async () => {
        const host = await fixture.host();
        const before = await host.list();
        const config = { ...(await fixture.config()), ...keys } as Awaited<ReturnType<Fixture["config"]>>;
        const error = await rejectsWith(host.create(config), "ERR_CONFIG");
        assert.match(error.message, told);
        assert.deepEqual(await host.list(), before);
      });
    refuses("an unknown key, naming the nearest known one", { limit: {} }, /limit.*limits/);
    refuses("an unknown key within a key", { limits: { memroy: "1GiB" } }, /memroy.*memory/);
    refuses("a size that is none", { limits: { memory: "lots" } }, /limits\.memory/);
    refuses("a limit that is impossible", { limits: { processes: -1 } }, /limits\.processes/);
    const soft = { limits: { memory: { limit: "1GiB", soft: "2GiB" } } };
    refuses("a soft limit of memory above the limit", soft, /limits\.memory\.soft/);
    refuses("processors that no host has", { limits: { cpu: { set: "8191" } } }, /limits\.cpu(\.set)?: /);
    refuses("a list of processors that is none", { limits: { cpu: { set: "3-1" } } }, /limits\.cpu\.set/);
    refuses("a device of a type that there is not", { devices: { eth0: { type: "teleporter" } } }, /devices\.eth0/);
    refuses("a variable's name with =", { env: { "A=B": "1" } }, /env/);
    for (const key of ["labels", "env", "devices"])
      refuses(`a name in ${key} that an object cannot keep`, { [key]: JSON.parse('{"__proto__":"x"}') }, /__proto__/);
    refuses(
      "an unknown driver, naming those that there are",
      { driver: "no-such-driver" },
      new RegExp(fixture.subject.driver),
    );
    for (const name of ["", "UPPER", "under_score", "-first", "last-", "a".repeat(64), "../up", "a/b", "a\nb", "☁"]) {
      refuses(`the name ${JSON.stringify(name)}`, { name }, /name/);
    }
    fixture.it("a config with several faults, and names them all", async () => {
      const config = { ...(await fixture.config()), name: "-", limits: { cpu: 0 } };
      const error = await rejectsWith((await fixture.host()).create(config), "ERR_CONFIG");
      assert.deepEqual(error.issues.map(({ path }) => path.join(".")).sort(), ["limits.cpu", "name"]);
    });
    fixture.it("an image that does not exist", async () => {
      const config = { ...(await fixture.config()), image: "no-such-image" };
      await rejectsWith((await fixture.host()).create(config), "ERR_IMAGE_NOT_FOUND");
    });
    fixture.it(
      "a network that is not there",
      async () => {
        const config = { ...(await fixture.config()), devices: { eth0: { type: "nic" as const, network: "nonet9" } } };
        await rejectsWith((await fixture.host()).create(config), "ERR_NETWORK_NOT_FOUND");
      },
      "network",
    );
    fixture.it("a taken name, and one of two calls that want a name at once", async () => {
      await fixture.using(async ({ name }) => {
        await rejectsWith(fixture.create(name), "ERR_INSTANCE_EXISTS");
        assert.equal(await (await (await fixture.host()).get(name)).state(), "stopped");
      });
      const name = fixture.name();
      const both = await Promise.allSettled([fixture.create(name), fixture.create(name)]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const [lost] = both.filter((result) => result.status === "rejected");
      await rejectsWith(Promise.reject(lost?.reason), "ERR_INSTANCE_EXISTS");
      await (await (await fixture.host()).get(name)).delete();
    });
  });

  fixture.describe("the host", () => {
    fixture.it("rejects with NotFoundError for an instance that does not exist", async () => {
      const host = await fixture.host();
      await rejectsWith(host.get("kit-none"), "ERR_INSTANCE_NOT_FOUND");
      await rejectsWith(host.get("../instances"), "ERR_INSTANCE_NOT_FOUND");
    });
    fixture.it("reports the driver in doctor()", async () => {
      const report = await (await fixture.host()).doctor();
      const found = report.drivers[fixture.subject.driver];
      assert.ok(found !== undefined);
      assert.deepEqual(found.missing, []);
      assert.equal(found.usable, true);
      assert.ok(String(report).includes(fixture.subject.driver));
    });
  });

  fixture.describe("a deleted instance", () => {
    fixture.it("rejects every call with StateError", async () => {
      const instance = await fixture.create();
      await instance.delete();
      await rejectsWith(instance.start(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.stop(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.inspect(), "ERR_INSTANCE_STATE");
      await rejectsWith(instance.wait(), "ERR_INSTANCE_STATE");
    });
  });

  fixture.describe("a stopped instance", () => {
    fixture.it("rejects calls that need it to run with StateError", async () => {
      const instance = await fixture.stopped();
      await rejectsWith(instance.ready(), "ERR_INSTANCE_STATE");
      for (const capability of fixture.subject.capabilities) {
        if (capability === "logs") continue;
        for (const call of CALLS[capability]) await rejectsWith(call(instance), "ERR_INSTANCE_STATE");
      }
    });
  });

  fixture.describe("an instance that ends by itself", () => {
    fixture.it(
      "rejects the calls under way with a StateError that says how it ended",
      async () => {
        const { subject } = fixture;
        const instance = await fixture.running();
        const uses = ENDURING.filter(([capability]) => fixture.has(capability)).map(([, call]) =>
          refusal(instance, call),
        );
        instance.run(subject.endsItself ?? ["poweroff"]).catch(() => undefined);
        const failures = await within(fixture.deadline, "the refusal of whatever is asked", Promise.all(uses));
        const refused = await Promise.all(
          failures.map((error) => rejectsWith(Promise.reject(error), "ERR_INSTANCE_STATE")),
        );
        const told = await rejectsWith(instance.run(["true"]), "ERR_INSTANCE_STATE");
        const { exit } = await instance.inspect();
        for (const error of [...refused, told]) {
          const { reason, status } = error.exit ?? {};
          assert.deepEqual({ reason, status }, { reason: exit?.reason, status: exit?.status });
        }
        if (exit?.status !== undefined) assert.match(told.message, /it exited with \d+|it was ended by SIG/);
        if (subject.prints !== undefined && fixture.has("logs")) assert.match(told.message, /its last output: ./);
      },
      "exec",
    );
  });

  fixture.describe("capabilities", () => {
    fixture.it("are those that the driver declares", async () => {
      const instance = await fixture.stopped();
      for (const capability of CAPABILITIES) {
        assert.equal(instance.can(capability), fixture.has(capability), capability);
      }
    });
    for (const capability of CAPABILITIES.filter((one) => !fixture.has(one))) {
      fixture.it(`without ${capability}, its calls reject with UnsupportedError`, async () => {
        for (const instance of [await fixture.stopped(), await fixture.running()]) {
          for (const call of CALLS[capability]) {
            const error = await rejectsWith(call(instance), "ERR_UNSUPPORTED");
            assert.equal(error.capability, capability);
            assert.ok(error.reason.length > 0);
          }
        }
      });
    }
  });
}

type Call = (instance: AnyInstance, options?: { readonly signal: AbortSignal }) => Promise<unknown>;

/** Calls on an instance that can be repeated. */
const ENDURING: readonly (readonly [Capability, Call])[] = [
  ["exec", (instance) => instance.run(["true"])],
  ["exec", async (instance) => (await instance.exec(["cat"]))[Symbol.asyncDispose]()],
  ["files", ({ files }) => files.readAll("/etc/passwd")],
  ["files", ({ files }) => files.listAll("/")],
  ["files", ({ files }) => files.write("/tmp/kit-enduring", "")],
  ["network", (instance) => instance.addresses()],
  ["metrics", (instance) => instance.metrics()],
];

/** Repeats the call until it fails; returns the error. */
async function refusal(instance: AnyInstance, call: Call): Promise<unknown> {
  for (;;) {
    try {
      await call(instance);
    } catch (error) {
      return error;
    }
    await passing(1);
  }
}

/** Every operation of each capability, called with arguments that are valid. */
export const CALLS: Readonly<Record<Capability, readonly Call[]>> = {
  exec: [
    (instance, options) => instance.run(["true"], options),
    (instance, options) => instance.exec(["true"], options),
    (instance, options) => instance.exec(["true"], { tty: { columns: 80, rows: 24 }, ...options }),
  ],
  detached: [
    (instance, options) => instance.exec(["true"], { detached: true, ...options }),
    (instance, options) => instance.processes(options),
    (instance, options) => instance.attach("0123456789abcdef", options),
  ],
  files: [
    ({ files }, options) => files.read("/etc/passwd", options),
    ({ files }, options) => files.readAll("/etc/passwd", options),
    ({ files }, options) => files.write("/tmp/f", "", options),
    ({ files }, options) => files.stat("/", options),
    ({ files }, options) => files.listAll("/", options),
    ({ files }, options) => files.mkdir("/tmp/d", options),
    ({ files }, options) => files.remove("/tmp/d", { recursive: true, ...options }),
    ({ files }, options) => files.push("/etc/hostname", "/tmp/f", options),
    ({ files }, options) => files.pull("/etc/passwd", "/nowhere/f", options),
  ],
  freeze: [(instance, options) => instance.freeze(options), (instance, options) => instance.unfreeze(options)],
  network: [(instance, options) => instance.addresses(options)],
  metrics: [(instance, options) => instance.metrics(options)],
  reboot: [(instance, options) => instance.reboot(options)],
  console: [(instance, options) => instance.console(options)],
  logs: [(instance, options) => instance.logs({ stream: "console", ...options })],
};
