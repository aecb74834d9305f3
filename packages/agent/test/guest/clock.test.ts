import { expect, it } from "vitest";
import { advanceClock } from "../../src/guest/clock.ts";

it("sets the guest's clock forward to the host's, and never back", () => {
  const set: number[] = [];
  const calls = { setClock: (time: number) => void set.push(time) };
  advanceClock(5000, calls, () => 1000);
  advanceClock(5000, calls, () => 5000);
  advanceClock(5000, calls, () => 9000);
  expect(set).toEqual([5000]);
});
