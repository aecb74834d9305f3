import { expect, it } from "vitest";
import { signalNumber } from "../src/halt.ts";

it.each([
  ["SIGTERM", 15],
  ["term", 15],
  ["SIGRTMIN+3", 37],
  ["RTMIN", 34],
  ["SIGRTMAX-1", 63],
  ["10", 10],
])("takes %s for signal %d", (name, number) => expect(signalNumber(name)).toBe(number));

it.each(["", "SIGNAL", "0", "65", "RTMIN+40", "15 9", "-9"])("refuses %j as a signal", (name) => {
  expect(() => signalNumber(name)).toThrow(/is no signal/);
});
