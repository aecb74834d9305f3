import { after, describe, it } from "node:test";
import { describeDriver, FakeWorld, fake } from "@pileus/core/testing";
import { fakeSubject, GREEDY } from "./fake-subject.ts";

// Run by `kit-under-node-test.conformance.test.ts` in a process of its own.
const world = new FakeWorld();
describeDriver(
  { describe, it, afterAll: (hook) => after(hook) },
  fakeSubject(world, fake({ world, programs: GREEDY })),
);
