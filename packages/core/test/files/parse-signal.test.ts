import { describe, expect, it } from "vitest";
import { parseSignal, signalName } from "../../src/files/signal-name.ts";

describe("parseSignal", () => {
  it.each([
    ["SIGTERM", 15],
    ["term", 15],
    ["15", 15],
    ["SIGRTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["RTMAX-1", 63],
    ["64", 64],
  ])("reads %s as %d", (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });

  it("reads every name that an exit status can have", () => {
    const numbers = Array.from({ length: 64 }, (_, index) => index + 1).filter((number) => ![32, 33].includes(number));
    expect(numbers.map((number) => parseSignal(signalName(number)))).toEqual(numbers);
  });

  it.each(["", "0", "65", "SIG", "SIGNONE", "SIGRTMIN+31", "SIGRTMIN-1", "SIGRTMAX+1", "15 ", "15\n", "constructor"])(
    "does not know the signal %j",
    (text) => {
      expect(parseSignal(text)).toBeUndefined();
    },
  );
});
