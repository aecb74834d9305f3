import type { Plan } from "../../contract/backend.ts";
import { ConfigError, StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { joinFailures } from "../../flow/cleanup.ts";
import type { InstanceConfig } from "../../model/config.ts";
import type { InstanceState } from "../../terms/state.ts";
import { applyLive } from "../adopt/apply-live.ts";
import { currentRun } from "../adopt/current-run.ts";
import { whyFailed } from "../adopt/with-run.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";
import { CHANGE, changedConfig } from "./changed-config.ts";

const EXPECTED: readonly InstanceState[] = ["stopped", "running", "frozen"];

/** What {@link update} would do. */
export async function plan(instance: ManagedInstance, change: unknown, options: Abortable = {}): Promise<Plan> {
  options.signal?.throwIfAborted();
  return planned(instance, instance.record.read("plan"), change).plan;
}

/** Changes the configuration, and what runs as far as that is possible. All or nothing. */
export function update(instance: ManagedInstance, change: unknown, options: Abortable = {}): Promise<Plan> {
  return instance.lock.exclusively("update", options, async (read, turn) => {
    const run = await currentRun(instance, read, turn);
    const record = instance.record.read("update");
    const { state } = record;
    if (!EXPECTED.includes(state))
      throw new StateError({ instance: instance.name, verb: "update", state, expected: EXPECTED });
    const { after, plan: all } = planned(instance, record, change);
    assertSupported(all);
    if (all.changes.length > 0) await carryOut(instance, record, after, run, turn);
    return all;
  });
}

/** Its changes, and the configuration that comes of them. */
function planned(
  { driver }: ManagedInstance,
  { config, state }: InstanceRecord,
  change: unknown,
): { readonly after: InstanceConfig; readonly plan: Plan } {
  const after = changedConfig(driver, config, change);
  // What could not be created on this host today is no matter of this change.
  const old = driver.backend.plan(undefined, config).changes.map(({ path, reason }) => `${path} ${reason}`);
  const changes = driver.backend
    .plan(config, after)
    .changes.filter(({ effect, path, reason }) => effect !== "unsupported" || !old.includes(`${path} ${reason}`))
    .map((one) =>
      state === "stopped" && one.effect === "live" && one.path !== "labels"
        ? { ...one, effect: "next-start" as const }
        : one,
    );
  return { after, plan: { changes } };
}

/** @throws {ConfigError} */
function assertSupported({ changes }: Plan): void {
  const refused = changes.filter(({ effect }) => effect === "unsupported");
  if (refused.length === 0) return;
  throw new ConfigError(
    CHANGE,
    refused.map(({ path, reason }) => ({ path: path.split("."), message: reason ?? "the driver does not support it" })),
  );
}

async function carryOut(
  instance: ManagedInstance,
  record: InstanceRecord,
  config: InstanceConfig,
  run: Run | undefined,
  turn: Turn,
): Promise<void> {
  const { generation = 1, applied = generation } = record;
  const patch = { config, generation: generation + 1, ...(run && { applied }) };
  const changed = await instance.record.change(record, patch, turn);
  if (run === undefined) return;
  try {
    await applyLive(instance, changed, run, { ...turn, launched: record.config });
  } catch (cause) {
    const failure = await whyFailed(instance, "update", run, { ...turn, expected: EXPECTED }, cause);
    throw await undone(instance, record, failure, turn);
  }
}

/** Records the configuration of before. Returns the error to throw. */
async function undone(
  instance: ManagedInstance,
  { config, generation, applied }: InstanceRecord,
  failure: unknown,
  { overtaken }: Turn,
): Promise<unknown> {
  // Another call has the lock by now; what is recorded then, the next process to look at the run applies.
  if (overtaken.aborted) return failure;
  try {
    await instance.record.change(instance.record.read("update"), { config, generation, applied }, { overtaken });
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}
