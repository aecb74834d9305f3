import { readdirSync, readFileSync } from "node:fs";
import { readHeldRun } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

it(
  "a starter has room for the descriptors of liblxc from its beginning, and leaves none open for that",
  requires(NEEDS, async () => {
    const { host, image, root } = fixture;
    const box = await host.create({ driver: "lxc", name: "wide", image });
    await box.start();
    const starter = (await readHeldRun(`${root}/names/wide/run`))?.holder ?? 0;
    expect(readFileSync(`/proc/${starter}/status`, "utf8")).toMatch(/^FDSize:\t256$/m);
    expect(readdirSync(`/proc/${starter}/fd`)).not.toContain("255");
    await box.delete();
  }),
);
