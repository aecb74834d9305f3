import { isInstanceError } from "@pileus/core";
import { afterAll, beforeAll, expect, it } from "vitest";

/** Milliseconds after which the caller of a verb aborts it. */
export const CALLER_TIMEOUT = 100;
/** The most milliseconds that a host needs to abandon what does not answer: stated with `Host`. */
export const DISPOSE_TIME = 10_000;
/** Milliseconds that a call may take to settle once its signal has aborted. */
export const GRACE = 2000;

/** The outcome of a call. */
export type Outcome =
  | { readonly kind: "resolved"; readonly value: unknown }
  | { readonly kind: "rejected"; readonly error: unknown }
  | { readonly kind: "pending" };

/** Waits at most `within` milliseconds for a call. */
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

/** Listens from the first test of a file on. Adds a last test, which reports every failure that was not handled. */
export function nothingEscapes(): void {
  const strays: unknown[] = [];
  const note = (reason: unknown) => void strays.push(reason);
  const events = ["unhandledRejection", "uncaughtException"] as const;
  beforeAll(() => {
    for (const event of events) process.on(event, note);
  });
  afterAll(() => {
    for (const event of events) process.off(event, note);
  });
  it("leaves nothing uncaught and nothing unhandled behind", async () => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(strays).toEqual([]);
  });
}
