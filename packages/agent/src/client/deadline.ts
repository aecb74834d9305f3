import { withDeadline } from "@pileus/core/driver";

/** What can end a wait early. */
export interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Waits for the promise, `signal` or `timeout`, whichever is first. `abandon` is called unless the promise resolved
 * first. It may be called when there is nothing to abandon.
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
