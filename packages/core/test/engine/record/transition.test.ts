import { describe, expect, it } from "vitest";
import { assertTransition } from "../../../src/engine/record/transition.ts";
import { StateError } from "../../../src/errors/all.ts";

describe("a step from state to state", () => {
  it("is allowed when the contract has it, as is staying in a state", () => {
    assertTransition("a", "stopped", "starting");
    assertTransition("a", "error", "running");
    assertTransition("a", "frozen", "frozen");
  });

  it("is refused when the contract does not have it, with the states from which it would be legal", () => {
    const refused = expect(() => assertTransition("a", "running", "frozen"));
    refused.toThrow(StateError);
    refused.toThrow(expect.objectContaining({ state: "running", expected: ["freezing", "stopping", "error"] }));
  });
});
