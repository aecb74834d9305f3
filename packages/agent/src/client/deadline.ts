import { withDeadline } from "@pileus/core/driver";

/** What a wait can be cut short by. */
export interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Waits for the promise, `signal` or `timeout`, whichever is first. `abandon` is called when it was not the promise's
 * success; it must be content to find nothing to do.
 *
 * @throws {TimeoutError} and `signal.reason`.
 */
export async function within<T>(promise: Promise<T>, action: string, limits: Limits, abandon: () => void): Promise<T> {
  try {
    return await withDeadline({ ...limits, action, hint: "is the agent running in the guest?" }, () => promise);
  } catch (error) {
    abandon();
    throw error;
  }
}
