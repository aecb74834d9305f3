import { withDeadline } from "../../flow/deadline.ts";
import { type Shared, track } from "../instance/shared.ts";
import { allRecords } from "../record/all-records.ts";

/** How long opening a host waits for networks, in milliseconds: another process may hold a lock for an unknown time. */
const RESTORE_TIMEOUT = 10_000;

/** Milliseconds between two checks while a caller watches. */
const INTERVAL = 15_000;

/**
 * Repairs the networks on which instances run: their server died, or the host's firewall was flushed. Never rejects:
 * `doctor()` says what is down, and why.
 */
export async function restoreNetworks(engine: Shared, signal: AbortSignal | undefined): Promise<void> {
  const deadline = { action: "restoring the networks of running instances", timeout: RESTORE_TIMEOUT, signal };
  const restored = withDeadline(deadline, async (within) => {
    const records = await allRecords(engine.layout, engine.records, { signal: within });
    const running = records.filter(
      ({ phase, state, config }) =>
        phase === "ready" && state !== "stopped" && Object.values(config.devices).some(({ type }) => type === "nic"),
    );
    if (running.length > 0) await engine.networks.restore(new Set(running.map(({ uuid }) => uuid)), { signal: within });
  });
  await track(engine, restored).catch(() => undefined);
}

/** Restores networks now and at intervals. Returns the function that ends it. */
export function keepNetworksUp(engine: Shared): () => void {
  let underway = false;
  const look = async () => {
    if (underway || engine.closing.aborted) return;
    underway = true;
    await restoreNetworks(engine, engine.closing);
    underway = false;
  };
  void look();
  const timer = setInterval(() => void look(), INTERVAL).unref();
  return () => clearInterval(timer);
}
