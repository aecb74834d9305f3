import { ConnectionError } from "../contract/errors.ts";
import { CleanupStack } from "../driver/cleanup.ts";
import type { Engine } from "./engine.ts";

/**
 * Lets go of everything: what waits ends, what can be undone is, and what runs goes on without us. `closing` is the
 * controller of {@link Engine.closing}.
 */
export async function detach(engine: Engine, closing: AbortController): Promise<void> {
  closing.abort(new ConnectionError(`the host at ${engine.layout.root}`, "it was disposed of"));
  // Undoing may begin new work.
  while (engine.work.size > 0) await Promise.allSettled([...engine.work]);
  const stack = new CleanupStack();
  stack.defer(() => engine.events.close());
  stack.use(engine.images);
  stack.use(engine.networks);
  for (const { run } of engine.instances.values()) stack.defer(() => run?.running.detach());
  engine.instances.clear();
  await stack[Symbol.asyncDispose]();
}
