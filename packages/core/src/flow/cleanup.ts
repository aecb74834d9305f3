/** Registers how to undo what was just done. */
export type Undo = (undo: () => unknown) => void;

/**
 * Runs `work`. When it fails, runs everything that it gave to `undo`, in reverse, then throws. A failure of one undo
 * step does not stop the others.
 *
 * @throws the very error that `work` threw: see {@link joinFailures}.
 */
export async function allOrNothing<T>(work: (undo: Undo) => Promise<T>): Promise<T> {
  const steps: (() => unknown)[] = [];
  try {
    return await work((step) => steps.push(step));
  } catch (error) {
    throw joinFailures([error, ...(await runReversed(steps))]);
  }
}

/**
 * Releases several resources in reverse: an `AsyncDisposableStack` for Node 20. Disposing a second time does nothing.
 */
export class CleanupStack implements AsyncDisposable {
  readonly #steps: (() => unknown)[] = [];

  /** Calls `step` at the end, before everything that was deferred earlier. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Disposes `resource` with the stack. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** @throws the first failure: see {@link joinFailures}. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures = await runReversed(this.#steps.splice(0));
    if (failures.length > 0) throw joinFailures(failures);
  }
}

/**
 * The error to throw when several steps failed: the first failure, which the caller must know. The others, failures of
 * undoing it, become its {@link InstanceError.cleanupFailures}.
 */
export function joinFailures(failures: readonly unknown[]): unknown {
  const [first, ...others] = failures;
  if (!(first instanceof Error) || others.length === 0) return first;
  const { cleanupFailures = [] } = first as { readonly cleanupFailures?: readonly unknown[] };
  return Object.assign(first, { cleanupFailures: [...cleanupFailures, ...others] });
}

async function runReversed(steps: readonly (() => unknown)[]): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}
