import { expect } from "vitest";

/** What the promise is rejected with. */
export const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("it did not fail"),
    (reason: unknown) => reason,
  );
