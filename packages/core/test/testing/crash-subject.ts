import { FakeWorld, fake } from "@pileus/core/testing";
import { fakeSubject } from "./fake-subject.ts";

// Its instances die with the process that holds them, as those of no real driver do.
const world = new FakeWorld();
const hanging = fake({
  world,
  faults: {
    materialize: ({ name }) => (name === "half" ? new Promise(() => undefined) : undefined),
  },
});

export const subject = {
  ...fakeSubject(world, hanging),
  crash: { how: "kill", module: import.meta.url } as const,
  deadline: 10_000,
};
