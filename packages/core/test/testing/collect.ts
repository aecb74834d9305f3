import type { Runner, SkipContext } from "@pileus/core/testing";

interface Collected {
  /** With its suites before it, joined by ` > `. */
  readonly name: string;
  readonly timeout: number;
  readonly test: (context: SkipContext) => Promise<void>;
}

/** A test runner that only collects, so that a test can run the kit's tests and see them fail. */
export class CollectingRunner implements Runner {
  readonly tests: Collected[] = [];
  readonly #path: string[] = [];
  readonly #hooks: (() => Promise<void>)[] = [];

  describe = (name: string, body: () => void): void => {
    this.#path.push(name);
    body();
    this.#path.pop();
  };
  it = (name: string, { timeout }: { readonly timeout: number }, test: Collected["test"]): void => {
    this.tests.push({ name: [...this.#path, name].join(" > "), timeout, test });
  };
  afterAll = (hook: () => Promise<void>): void => {
    this.#hooks.push(hook);
  };

  /** Runs the tests whose names end as said, in their order; returns what failed, and why. */
  async run(endings: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const failures = new Map<string, string>();
    for (const { name, timeout, test } of this.tests) {
      const ending = endings.find((one) => name.endsWith(` > ${one}`));
      if (ending === undefined) continue;
      const failure = await outcome(test({ skip: () => undefined }), timeout);
      if (failure !== undefined) failures.set(ending, failure);
    }
    for (const hook of this.#hooks) await outcome(hook(), 15_000);
    return failures;
  }
}

async function outcome(promise: Promise<void>, timeout: number): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not within ${timeout} ms`), timeout);
  });
  const done = promise.then(
    () => undefined,
    (error: unknown) => String(error),
  );
  const failure = await Promise.race([done, late]);
  clearTimeout(timer);
  return failure;
}
