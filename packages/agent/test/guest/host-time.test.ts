import { expect, it } from "vitest";
import { HostTime } from "../../src/guest/host-time.ts";

it("goes on from the time that a host has told, by a clock that nobody sets", () => {
  let clock = 50;
  const time = new HostTime(() => clock);
  time.tell(10_000);
  clock += 300;
  expect(time.now()).toBe(10_300);
});

it("goes forward with a host that tells more, as after a freeze, and never back with what comes late", () => {
  let clock = 0;
  const time = new HostTime(() => clock);
  time.tell(10_000);
  clock += 100;
  time.tell(9000);
  expect(time.now()).toBe(10_100);
  time.tell(60_000);
  clock += 100;
  expect(time.now()).toBe(60_100);
});
