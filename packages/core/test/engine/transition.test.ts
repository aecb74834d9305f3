import { describe, expect, it } from "vitest";
import { StateError } from "../../src/contract/errors.ts";
import { assertTransition } from "../../src/engine/transition.ts";

describe("a step from state to state", () => {
  it("is taken when the contract knows it, as is none at all", () => {
    assertTransition("a", "stopped", "starting");
    assertTransition("a", "error", "running");
    assertTransition("a", "frozen", "frozen");
  });

  it("is refused when the contract does not know it, telling from where it would be legal", () => {
    const refused = expect(() => assertTransition("a", "running", "frozen"));
    refused.toThrow(StateError);
    refused.toThrow(expect.objectContaining({ state: "running", expected: ["freezing", "stopping", "error"] }));
  });
});
