import { ConnectionError } from "../contract/errors.ts";
import { CleanupStack, joinFailures } from "../driver/cleanup.ts";
import { withDeadline } from "../driver/deadline.ts";
import type { Engine } from "./engine.ts";

/**
 * Milliseconds that each of the two steps of letting go may take: ending what is under way, and closing what is open.
 */
const STEP_TIME = 5000;

/**
 * Lets go of everything: what waits ends, what can be undone is, and what runs goes on without us. `closing` is the
 * controller of {@link Engine.closing}.
 *
 * @throws {TimeoutError} after 10 s at most, where a driver does not answer: what it was asked for goes on without us.
 */
export async function detach(engine: Engine, closing: AbortController): Promise<void> {
  const { root } = engine.layout;
  closing.abort(new ConnectionError(`the host at ${root}`, "it was disposed of"));
  const failures = [
    ...(await failureOf(`end of what is under way on the host at ${root}`, () => untilIdle(engine))),
    ...(await failureOf(`closing of the host at ${root}`, () => close(engine))),
  ];
  if (failures.length > 0) throw joinFailures(failures);
}

async function failureOf(action: string, step: () => Promise<void>): Promise<unknown[]> {
  try {
    await withDeadline({ action, timeout: STEP_TIME, hint: "a driver does not answer" }, step);
    return [];
  } catch (error) {
    return [error];
  }
}

async function untilIdle(engine: Engine): Promise<void> {
  // Undoing may begin new work.
  while (engine.work.size > 0) await Promise.allSettled([...engine.work]);
}

async function close(engine: Engine): Promise<void> {
  const stack = new CleanupStack();
  stack.defer(() => engine.events.close());
  stack.use(engine.images);
  stack.use(engine.networks);
  // All at once: one that does not answer must not keep us from the others.
  const runs = [...engine.instances.values()].map(({ run }) => run?.running.detach());
  stack.defer(() => Promise.all(runs));
  engine.instances.clear();
  await stack[Symbol.asyncDispose]();
}
