import assert from "node:assert/strict";
import { passing, rejectsExactly, within } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";
import { CALLS } from "./errors.ts";

/** Chapter: aborted calls. */
export function describeCancel(fixture: Fixture): void {
  const reason = new Error("changed my mind");
  const aborted = () => ({ signal: AbortSignal.abort(reason) });

  fixture.describe("a signal that is aborted already", () => {
    fixture.it("rejects every call of the host with its reason", async () => {
      const host = await fixture.host();
      const before = await host.list();
      await rejectsExactly(host.create(await fixture.config(), aborted()), reason);
      await rejectsExactly(host.ephemeral(await fixture.config(), aborted()), reason);
      await rejectsExactly(host.get("kit-none", aborted()), reason);
      await rejectsExactly(host.list(aborted()), reason);
      await rejectsExactly(host.doctor(aborted()), reason);
      await rejectsExactly(host.images.get("none", aborted()), reason);
      await rejectsExactly(host.images.list(aborted()), reason);
      await rejectsExactly(host.images.import("/nowhere", aborted()), reason);
      await rejectsExactly(host.images.delete("none", aborted()), reason);
      await rejectsExactly(host.networks.create({ name: "kitnet9" }, aborted()), reason);
      await rejectsExactly(host.networks.get("kitnet9", aborted()), reason);
      await rejectsExactly(host.networks.list(aborted()), reason);
      await rejectsExactly(host.networks.delete("kitnet9", aborted()), reason);
      assert.deepEqual(await host.list(), before);
    });
    fixture.it("rejects every call of an instance with its reason, and does nothing", async () => {
      const instance = await fixture.stopped();
      await rejectsExactly(instance.start(aborted()), reason);
      assert.equal(await instance.state(), "stopped");
      await fixture.running();
      for (const verb of ["state", "inspect", "start", "ready", "stop", "restart", "wait", "delete"] as const) {
        await rejectsExactly(instance[verb](aborted()), reason);
      }
      assert.equal(await instance.state(), "running");
      for (const capability of fixture.subject.capabilities) {
        for (const call of CALLS[capability]) await rejectsExactly(call(instance, aborted()), reason);
      }
      assert.equal(await instance.state(), "running");
    });
  });

  fixture.describe("an abort", () => {
    fixture.it("of a create leaves nothing, whenever it comes", async () => {
      const host = await fixture.host();
      const before = await fixture.leftovers();
      for (const delay of [undefined, 0, 3, 10]) {
        const abort = new AbortController();
        const name = fixture.name();
        const create = host.create(await fixture.config(name), { signal: abort.signal });
        create.catch(() => undefined);
        // Without a delay: within the same turn.
        if (delay !== undefined) await passing(delay);
        abort.abort(reason);
        const [outcome] = await Promise.allSettled([create]);
        const there = (await host.list()).some((info) => info.name === name);
        if (outcome.status === "rejected") {
          assert.equal(outcome.reason, reason);
          assert.equal(there, false, "it is there all the same");
        } else {
          assert.notEqual(delay, undefined, "an abort within the same turn came too late");
          assert.equal(there, true);
          await outcome.value.delete();
        }
        assert.deepEqual(await fixture.leftovers(), before);
        // Another instance can get the name.
        await (await fixture.create(name)).delete();
      }
    });
    fixture.it("of a create from its own progress listener leaves nothing", async () => {
      const host = await fixture.host();
      const abort = new AbortController();
      const name = fixture.name();
      const create = host.create(await fixture.config(name), {
        signal: abort.signal,
        onProgress: () => abort.abort(reason),
      });
      // A driver need not report anything.
      const [outcome] = await Promise.allSettled([create]);
      if (outcome.status === "rejected") assert.equal(outcome.reason, reason);
      else await outcome.value.delete();
      assert.equal(
        (await host.list()).some((info) => info.name === name),
        false,
      );
    });
    fixture.it("of a start undoes it, whenever it comes, and the next start works", async () => {
      const instance = await fixture.stopped();
      const began = performance.now();
      await instance.start();
      const pace = performance.now() - began;
      await instance.stop({ mode: "kill" });
      const before = await fixture.leftovers();
      for (const delay of [undefined, 0, 5, 25, pace / 2, pace * 0.75, pace * 0.9]) {
        const abort = new AbortController();
        const start = instance.start({ signal: abort.signal });
        start.catch(() => undefined);
        // Without a delay: within the same turn.
        if (delay !== undefined) await passing(delay);
        abort.abort(reason);
        const [outcome] = await Promise.allSettled([start]);
        if (outcome.status === "rejected") {
          assert.equal(outcome.reason, reason);
          // On a busy host a call is undone after it has rejected.
          await instance.wait({ signal: AbortSignal.timeout(fixture.deadline) });
          assert.equal(await instance.state(), "stopped");
        } else {
          assert.notEqual(delay, undefined, "an abort within the same turn came too late");
          assert.equal(await instance.state(), "running");
          await instance.stop({ mode: "kill" });
        }
        assert.deepEqual(await fixture.leftovers(), before);
      }
      await instance.start();
      await instance.ready({ timeout: fixture.deadline });
    });
    fixture.it("of a call that joined a start only ends its wait", async () => {
      const instance = await fixture.stopped();
      const abort = new AbortController();
      const first = instance.start();
      const second = instance.start({ signal: abort.signal });
      second.catch(() => undefined);
      abort.abort(reason);
      await rejectsExactly(second, reason);
      await first;
      assert.equal(await instance.state(), "running");
    });
    fixture.it("of a stop only ends the wait: the instance still stops", async () => {
      const instance = await fixture.running();
      const abort = new AbortController();
      const stop = instance.stop({ signal: abort.signal, timeout: fixture.deadline });
      stop.catch(() => undefined);
      abort.abort(reason);
      await rejectsExactly(stop, reason);
      await within(fixture.deadline, "the end that was asked for", instance.wait());
      assert.equal(await instance.state(), "stopped");
    });
    fixture.it("of a wait leaves the instance alone", async () => {
      const instance = await fixture.running();
      const abort = new AbortController();
      const wait = instance.wait({ signal: abort.signal });
      wait.catch(() => undefined);
      abort.abort(reason);
      await rejectsExactly(wait, reason);
      assert.equal(await instance.state(), "running");
    });
  });
}
