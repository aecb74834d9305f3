import type { Driver } from "@pileus/core";
import { describeDriver, FakeWorld, fake } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { CollectingRunner } from "./collect.ts";
import { fakeSubject, GREEDY } from "./fake-subject.ts";
import { EXEC_FAULTS } from "./faults/exec.ts";
import { FILE_FAULTS } from "./faults/files.ts";
import { LIFECYCLE_FAULTS } from "./faults/lifecycle.ts";
import { REPORT_FAULTS } from "./faults/reports.ts";
import { TREE_FAULTS } from "./faults/trees.ts";

const FAULTS = [...EXEC_FAULTS, ...LIFECYCLE_FAULTS, ...FILE_FAULTS, ...TREE_FAULTS, ...REPORT_FAULTS];

// The slowest faults are those that hang until the kit's own deadline.
const DEADLINE = 400;

async function failuresOf(
  driver: Driver,
  world: FakeWorld,
  names: readonly string[],
  { capabilities = driver.capabilities, deadline = DEADLINE } = {},
) {
  const runner = new CollectingRunner();
  describeDriver(runner, { ...fakeSubject(world, driver, [...capabilities]), deadline });
  for (const name of names) expect(runner.tests.map((test) => test.name).join("\n")).toContain(name);
  return runner.run(names);
}

describe.concurrent("the kit notices a driver that", () => {
  for (const { what, seenBy, broken } of FAULTS) {
    it(what, async () => {
      const world = new FakeWorld();
      const failures = await failuresOf(broken(fake({ world, programs: GREEDY }), world), world, seenBy);
      expect([...failures.keys()].sort()).toEqual([...seenBy].sort());
    });
  }

  it("reports a capability that is not declared, or one that is missing", async () => {
    const world = new FakeWorld();
    const name = "capabilities > are those that the driver declares";
    expect((await failuresOf(fake({ world }), world, [name], { capabilities: new Set(["exec"]) })).size).toBe(1);
    const narrow = fake({ world, capabilities: ["exec"] }) as unknown as Driver;
    expect((await failuresOf(narrow, world, [name], { capabilities: new Set(["exec", "files"]) })).size).toBe(1);
  });

  it("passes a driver without these faults", async () => {
    const world = new FakeWorld();
    const names = [...new Set(FAULTS.flatMap(({ seenBy }) => seenBy))];
    // With the deadline of a real run: a driver without faults must never be hurried into one.
    expect(await failuresOf(fake({ world, programs: GREEDY }), world, names, { deadline: 10_000 })).toEqual(new Map());
  });
});
