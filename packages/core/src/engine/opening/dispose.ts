import { ConnectionError } from "../../errors/all.ts";
import { CleanupStack, joinFailures } from "../../flow/cleanup.ts";
import { withDeadline } from "../../flow/deadline.ts";
import type { Engine } from "../instance/engine.ts";

/**
 * Milliseconds that each of the two steps of disposing may take: ending the calls under way, and closing what is open.
 */
const STEP_TIME = 5000;

/**
 * Releases everything of a host. Waiting calls end, work that can be undone is undone, and running instances keep
 * running. `closing` is the controller of {@link Engine.closing}.
 *
 * @throws {TimeoutError} after 10 s at most, when a driver does not answer; what it is doing then goes on.
 */
export async function detach(engine: Engine, closing: AbortController): Promise<void> {
  const { root } = engine.layout;
  closing.abort(new ConnectionError(`the host at ${root}`, "it was disposed: open it again with openHost()"));
  const failures = [
    ...(await failureOf(`ending the calls under way on the host at ${root}`, () => untilIdle(engine))),
    ...(await failureOf(`closing the host at ${root}`, () => close(engine))),
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
  // Undoing may start new work.
  while (engine.work.size > 0) await Promise.allSettled([...engine.work]);
}

async function close(engine: Engine): Promise<void> {
  const stack = new CleanupStack();
  stack.defer(() => engine.events.close());
  stack.use(engine.images);
  stack.use(engine.networks);
  // All at once: one that does not answer must not delay the others.
  const runs = [...engine.instances.values()].map(({ held }) => held.run?.running.detach());
  stack.defer(() => Promise.all(runs));
  engine.instances.clear();
  await stack[Symbol.asyncDispose]();
}
