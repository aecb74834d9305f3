import { openHost } from "@pileus/core";
import { findKeeper, identifyProcess, signalProcess, waitForEnd } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

it(
  "deletes a frozen container whose starter and keeper were killed, whatever is frozen below it",
  requires(NEEDS, async () => {
    const { host, root, image } = fixture;
    const box = await host.create({ driver: "lxc", name: "frozen", image });
    await box.start();
    await box.freeze();
    const keeper = await findKeeper(`${root}/names/frozen/run`);
    const { keeper: pid, holder } = keeper.state;
    const processes = await Promise.all([pid, holder].map(identifyProcess));
    keeper.detach();
    for (const each of processes) if (each !== undefined) await signalProcess(each, "SIGKILL");
    for (const each of processes) if (each !== undefined) await waitForEnd(each);
    const other = await openHost({ root, drivers: [lxc()] });
    try {
      const found = await other.get("frozen");
      await found.delete();
      expect((await other.list()).map(({ name }) => name)).not.toContain("frozen");
    } finally {
      await other[Symbol.asyncDispose]();
    }
  }),
);
