import { isInstanceError } from "@pileus/core";
import { expect } from "vitest";

/** Milliseconds that a call may take to settle once its signal has aborted. */
export const GRACE = 2000;

/** How a call came out. */
export type Outcome =
  | { readonly kind: "resolved"; readonly value: unknown }
  | { readonly kind: "rejected"; readonly error: unknown }
  | { readonly kind: "pending" };

/** Waits for a call no longer than `within` milliseconds. */
export async function outcomeOf(call: PromiseLike<unknown>, within: number): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "pending" }), within);
  });
  const settled = Promise.resolve(call).then(
    (value): Outcome => ({ kind: "resolved", value }),
    (error: unknown): Outcome => ({ kind: "rejected", error }),
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a call may reject with: an error of this library, or the reason of the caller's own signal. */
export function expectToldError(outcome: Outcome, reason: unknown): void {
  if (outcome.kind !== "rejected" || outcome.error === reason) return;
  expect(isInstanceError(outcome.error) ? "an InstanceError" : outcome.error).toBe("an InstanceError");
}
