import { expect, it } from "vitest";
import { signalName } from "../../src/files/signal-name.ts";

it.each([
  [9, "SIGKILL"],
  [15, "SIGTERM"],
  [32, "SIG32"],
  [34, "SIGRTMIN"],
  [37, "SIGRTMIN+3"],
  [64, "SIGRTMIN+30"],
])("signal %d is called %s", (number, name) => {
  expect(signalName(number)).toBe(name);
});
