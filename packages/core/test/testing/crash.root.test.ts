import { afterEach, describe, expect, it } from "vitest";
import { Bench } from "../../src/testing/kit/bench.ts";
import { crashHost } from "../../src/testing/kit/crash.ts";
import { CollectingRunner } from "./collect.ts";
import { subject } from "./crash-subject.ts";

describe("a host whose process is killed", { timeout: 60_000 }, () => {
  let bench: Bench;
  const states = async () =>
    Object.fromEntries(
      (await (await bench.reopen()).list()).map((info) => [info.name, [info.state, info.exit?.reason]]),
    );
  afterEach(() => bench.close());

  it("leaves what had run as lost where it died with it, and the rest as it was", async () => {
    bench = new Bench(new CollectingRunner(), subject);
    await crashHost(bench, [
      { name: "ran", state: "running" },
      { name: "stood", state: "stopped" },
    ]);
    expect(await states()).toEqual({ ran: ["stopped", "lost"], stood: ["stopped", undefined] });
  });

  it("leaves nothing of a create that was under way", async () => {
    bench = new Bench(new CollectingRunner(), subject);
    await crashHost(bench, [{ name: "half", state: "creating", delay: 50 }]);
    expect(await states()).toEqual({});
    await bench.assertNothingLeft();
  });

  it("tells why when its child cannot even begin", async () => {
    bench = new Bench(new CollectingRunner(), {
      ...subject,
      crash: { how: "kill", module: new URL("./no-such-module.ts", import.meta.url).href },
    });
    await expect(crashHost(bench, [{ name: "a", state: "running" }])).rejects.toThrow("no-such-module");
  });
});
