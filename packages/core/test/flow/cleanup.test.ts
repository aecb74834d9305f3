import { describe, expect, it } from "vitest";
import { ConnectionError } from "../../src/errors/all.ts";
import { allOrNothing, CleanupStack } from "../../src/flow/cleanup.ts";

describe("allOrNothing", () => {
  it("undoes nothing when everything succeeds", async () => {
    const undone: number[] = [];
    const made = await allOrNothing(async (undo) => {
      undo(() => undone.push(1));
      return "made";
    });
    expect(made).toBe("made");
    expect(undone).toEqual([]);
  });

  it("undoes in reverse and throws the failure itself", async () => {
    const undone: number[] = [];
    const fault = new ConnectionError("peer", "third step");
    const work = allOrNothing(async (undo) => {
      undo(() => undone.push(1));
      undo(async () => undone.push(2));
      throw fault;
    });
    await expect(work).rejects.toBe(fault);
    expect(undone).toEqual([2, 1]);
  });

  it("goes on after a failure to undo, and throws the first failure with the others as its clean-up failures", async () => {
    const undone: number[] = [];
    const fault = new ConnectionError("peer", "third step");
    const work = allOrNothing(async (undo) => {
      undo(() => undone.push(1));
      undo(() => {
        throw new Error("cannot undo");
      });
      throw fault;
    });
    expect(await work.catch((error: unknown) => error)).toBe(fault);
    expect(fault.cleanupFailures).toMatchObject([{ message: "cannot undo" }]);
    expect(undone).toEqual([1]);
  });
});

describe("a clean-up stack", () => {
  it("releases in reverse, once", async () => {
    const stack = new CleanupStack();
    const seen: string[] = [];
    stack.defer(() => seen.push("first"));
    stack.use({
      [Symbol.asyncDispose]: async () => {
        seen.push("second");
      },
    });
    await stack[Symbol.asyncDispose]();
    await stack[Symbol.asyncDispose]();
    expect(seen).toEqual(["second", "first"]);
  });
});
