import { afterEach, describe, expect, it } from "vitest";
import { crashHost } from "../../src/testing/kit/crash.ts";
import { Fixture } from "../../src/testing/kit/fixture.ts";
import { CollectingRunner } from "./collect.ts";
import { subject } from "./crash-subject.ts";

describe("a host whose process is killed", { timeout: 60_000 }, () => {
  let fixture: Fixture;
  const states = async () =>
    Object.fromEntries(
      (await (await fixture.reopen()).list({ state: "live" })).map((info) => [
        info.name,
        [info.state, info.exit?.reason],
      ]),
    );
  afterEach(() => fixture.close());

  it("marks what died with it as lost, and leaves the rest as it was", async () => {
    fixture = new Fixture(new CollectingRunner(), subject);
    await crashHost(fixture, [
      { name: "ran", state: "running" },
      { name: "stood", state: "stopped" },
    ]);
    expect(await states()).toEqual({ ran: ["stopped", "lost"], stood: ["stopped", undefined] });
  });

  it("leaves nothing of a create that was under way", async () => {
    fixture = new Fixture(new CollectingRunner(), subject);
    await crashHost(fixture, [{ name: "half", state: "creating", delay: 50 }]);
    expect(await states()).toEqual({});
    await fixture.assertNothingLeft();
  });

  it("says why when its child cannot even begin", async () => {
    fixture = new Fixture(new CollectingRunner(), {
      ...subject,
      crash: { how: "kill", module: new URL("./no-such-module.ts", import.meta.url).href },
    });
    await expect(crashHost(fixture, [{ name: "a", state: "running" }])).rejects.toThrow("no-such-module");
  });
});
