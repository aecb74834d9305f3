import assert from "node:assert/strict";
import { rejectsWith, within } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";
import { type OtherHost, openOtherHost } from "../kit/other-host.ts";

/**
 * Chapter: a call of another process hangs for ever in its driver, or a rename in its networks. A kill and a deletion here
 * do not wait for it.
 */
export function describeHang(fixture: Fixture): void {
  const { openHanging, openHangingNetworks, crash } = fixture.subject;
  // A second for the call to end, one for its driver to undo, and then the verb itself.
  const settles = <T>(what: string, promise: Promise<T>) => within(2000 + fixture.deadline * 2, what, promise);
  const begin = {
    launch: (other: OtherHost, name: string) => other.hang("start", name),
    adopt: (other: OtherHost, name: string) => other.hang("start", name),
    freeze: (other: OtherHost, name: string) => other.hang("freeze", name),
    rename: (other: OtherHost, name: string) => other.hang("rename", name, fixture.name()),
  } as const;
  const ofDriver = ["launch", "adopt", ...(fixture.has("freeze") ? (["freeze"] as const) : [])] as const;
  const steps = [
    ...(openHanging === undefined ? [] : ofDriver.map((step) => ({ step, of: "its driver" }))),
    ...(openHangingNetworks === undefined ? [] : [{ step: "rename", of: "its networks" } as const]),
  ];
  if (steps.length === 0) return;

  fixture.describe(`a call of a host ${crash.how === "kill" ? "in another process" : "beside"} that hangs`, () => {
    for (const { step, of } of steps) {
      const hangs = (end: (name: string) => Promise<unknown>) => async () => {
        await fixture.using(async (instance) => {
          const { name } = instance;
          if (step !== "launch") await instance.start();
          await using other = await openOtherHost(fixture, { hang: step });
          const { refused } = await begin[step](other, name);
          await settles("what overtakes it", end(name));
          assert.match(await settles("the call that hung", refused), /StateError/);
        });
      };
      fixture.it(
        `at ${step} of ${of} is overtaken by a kill, and the instance starts again`,
        hangs(async (name) => {
          const instance = await (await fixture.host()).get(name);
          await instance.stop({ mode: "kill" });
          assert.equal(await instance.state(), "stopped");
          await instance.start();
          assert.equal(await instance.state(), "running");
        }),
      );
      fixture.it(
        `at ${step} of ${of} is overtaken by a deletion`,
        hangs(async (name) => {
          const host = await fixture.host();
          const instance = await host.get(name);
          const { uuid } = (await host.list()).find((info) => info.name === name) ?? {};
          await instance.delete();
          await rejectsWith(host.get(name), "ERR_INSTANCE_NOT_FOUND");
          const isItsOwn = (left: string) => left.includes(name) || left.includes(uuid ?? name);
          assert.deepEqual((await fixture.leftovers()).filter(isItsOwn), []);
        }),
      );
    }
  });
}
