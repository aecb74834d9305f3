/** Takes note of how to undo what was just done. */
export type Undo = (undo: () => unknown) => void;

/**
 * Runs `work`; when it fails, undoes in reverse all that it gave to `undo`, then throws. What `work` keeps is what it
 * returns. Undoing goes on past a failure of its own.
 *
 * @throws what `work` threw, itself: see {@link joinFailures}.
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
 * What a holder of several things gives back at its end, in reverse: `AsyncDisposableStack` for Node 20. Disposing
 * twice does nothing the second time.
 */
export class CleanupStack implements AsyncDisposable {
  readonly #steps: (() => unknown)[] = [];

  /** Has `step` called at the end, before all that was deferred earlier. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Disposes of `resource` with the stack. */
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
 * What to throw where several things failed, one after another: the first, which is what the caller must know. The
 * others, of undoing it, become its {@link InstanceError.cleanupFailures}.
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
