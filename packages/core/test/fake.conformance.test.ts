import type { Driver } from "@pileus/core";
import { describeDriver, FakeWorld, fake } from "@pileus/core/testing";
import { afterAll, describe, it } from "vitest";
import { fakeSubject, GREEDY } from "./testing/fake-subject.ts";

const runner = { describe, it, afterAll };

// All it can do; some, so that the rest is refused; and none.
const all = new FakeWorld();
describeDriver(runner, fakeSubject(all, fake({ world: all, programs: GREEDY })));

const some = new FakeWorld();
const narrow = fake({
  name: "narrow",
  kind: "application-container",
  capabilities: ["exec", "logs"],
  world: some,
  programs: GREEDY,
}) as unknown as Driver;
describeDriver(runner, {
  ...fakeSubject(some, narrow),
  prints: { stream: "stdout", text: /kit-shared: up\n/ },
  main: (script) => ({ narrow: { main: ["sh", "-c", script] } }),
});

const none = new FakeWorld();
const bare = fake({ name: "bare", capabilities: [], world: none });
describeDriver(runner, fakeSubject(none, bare as unknown as Driver));
