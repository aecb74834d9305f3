import { type Abortable, ConnectionError, ProtocolError } from "@pileus/core";
import { linkSignals } from "@pileus/core/driver";
import { QmpBusyError, QmpClient } from "./qmp/index.ts";

export interface MonitorOptions extends Abortable {
  /** How long a monitor may take to greet, in milliseconds. Default 5000. A free monitor takes a few milliseconds. */
  readonly greetingTimeout?: number | undefined;
}

/**
 * Connects to the first of a machine's monitors that is free, trying all at once.
 *
 * @throws {ConnectionError} when none is free: other clients hold them, or nothing listens. @throws {ProtocolError}
 * when the listener is not a monitor.
 */
export async function connectMonitor(paths: readonly string[], options: MonitorOptions = {}): Promise<QmpClient> {
  const losers = linkSignals(options.signal);
  const attempts = paths.map((path) =>
    QmpClient.connect(path, { signal: losers.signal, greetingTimeout: options.greetingTimeout }),
  );
  try {
    const winner = await Promise.any(attempts);
    losers.abort(new Error("another monitor answered first"));
    for (const attempt of attempts) {
      void attempt.then(
        (client) => (client === winner ? undefined : client.close()),
        () => undefined,
      );
    }
    return winner;
  } catch (error) {
    options.signal?.throwIfAborted();
    const failures: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
    const busy = failures.some((failure) => failure instanceof QmpBusyError);
    const wrong = failures.find((failure) => failure instanceof ProtocolError);
    if (!busy && wrong !== undefined) throw wrong;
    const why = busy ? `other processes hold all ${paths.length} monitors of the machine` : "no monitor answers";
    throw new ConnectionError(paths[0] ?? "monitor", why, { cause: failures[0] });
  } finally {
    losers[Symbol.dispose]();
  }
}
