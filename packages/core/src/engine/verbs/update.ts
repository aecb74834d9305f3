import { isDeepStrictEqual } from "node:util";
import type { Plan } from "../../contract/backend.ts";
import type { MadeChange } from "../../contract/events.ts";
import { ConfigError, isInstanceError, StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { joinFailures } from "../../flow/cleanup.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { keysOf } from "../../model/plan-path.ts";
import { valueAt } from "../../model/schema-keys.ts";
import type { InstanceState } from "../../terms/state.ts";
import { type ApplyTurn, applyLive, ensureManifest, isUnapplied } from "../adopt/apply-live.ts";
import { currentRun } from "../adopt/current-run.ts";
import { whyFailed } from "../adopt/with-run.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { plannedRun } from "../record/manifest.ts";
import { type InstanceRecord, nextGeneration } from "../record/record.ts";
import { beginIfPossible, settleDone, updatedEvent } from "../record/settle.ts";
import type { Run } from "../run/run.ts";
import { CHANGE, type CheckedChange, changedConfig, checkedChange, fixedChanges } from "./changed-config.ts";
import { inspect } from "./inspect.ts";

const EXPECTED: readonly InstanceState[] = ["stopped", "running", "frozen"];

/** What {@link update} would do. */
export async function plan(instance: ManagedInstance, change: unknown, options: Abortable = {}): Promise<Plan> {
  const checked = checkedChange(instance.driver, change);
  // What runs may have ended while no process of ours looked.
  await inspect(instance, options);
  return planned(instance, instance.record.read("plan"), checked).plan;
}

/** Options of {@link update} that its callers in this folder have. */
export interface UpdateOptions extends Abortable {
  /** Throws if the change is not one of the configuration that is there. */
  readonly check?: ((config: InstanceConfig) => void) | undefined;
  /** See {@link DetachOptions.force}. */
  readonly force?: boolean | undefined;
}

/** Changes the configuration, and what runs as far as that is possible. All or nothing. */
export async function update(instance: ManagedInstance, change: unknown, options: UpdateOptions = {}): Promise<Plan> {
  const checked = checkedChange(instance.driver, change);
  return instance.lock.exclusively("update", options, async (read, turn) => {
    const run = await currentRun(instance, read, turn);
    const record = instance.record.read("update");
    const { state } = record;
    if (!EXPECTED.includes(state))
      throw new StateError({ instance: instance.name, verb: "update", state, expected: EXPECTED });
    options.check?.(record.config);
    const { after, plan: all } = planned(instance, record, checked);
    const made = supported(all);
    const use = { ...turn, force: options.force, sure: !isUnapplied(instance, record) };
    if (made.length > 0) await telling(instance, record, made, turn, () => carryOut(instance, record, after, run, use));
    // A process that was killed may have recorded the same change.
    else if (run !== undefined && !use.sure) await applyLive(instance, record, run, use);
    return all;
  });
}

/** Its changes, and the configuration that comes of them. */
function planned(
  { driver, engine }: ManagedInstance,
  record: InstanceRecord,
  change: CheckedChange,
): { readonly after: InstanceConfig; readonly plan: Plan } {
  const { config, state } = record;
  const after = changedConfig(driver, config, change);
  // What could not be created on this host today, and stays as it is, is no matter of this change.
  const stays = (path: string) => isDeepStrictEqual(valueAt(config, keysOf(path)), valueAt(after, keysOf(path)));
  const changes = driver.backend
    .plan(config, after, plannedRun(engine.layout, record))
    .changes.filter(({ effect, path }) => effect !== "unsupported" || !stays(path))
    .map((one) =>
      state === "stopped" && one.effect === "live" && one.path !== "labels"
        ? { ...one, effect: "next-start" as const }
        : one,
    );
  return { after, plan: { changes: [...fixedChanges(config, change), ...changes] } };
}

/** The changes of a plan. @throws {ConfigError} for those that it calls `unsupported` */
function supported({ changes }: Plan): readonly MadeChange[] {
  const refused = changes.filter(({ effect }) => effect === "unsupported");
  if (refused.length > 0)
    throw new ConfigError(
      CHANGE,
      refused.map(({ path, reason }) => ({
        path: keysOf(path),
        message: reason ?? "the driver does not support it",
      })),
    );
  return changes.flatMap(({ path, effect }) => (effect === "unsupported" ? [] : [{ path, effect }]));
}

/** Tells what has changed: also when this process is killed meanwhile, by the next one that looks at the instance. */
async function telling(
  { engine, key }: ManagedInstance,
  record: InstanceRecord,
  changes: readonly MadeChange[],
  { overtaken }: Turn,
  work: () => Promise<void>,
): Promise<void> {
  const operation = { kind: "update", record, generation: nextGeneration(record), changes } as const;
  const begun = beginIfPossible(engine.events, operation);
  try {
    await work();
    if (begun === undefined) engine.events.publish([updatedEvent(record, changes)]);
  } finally {
    // Nobody is told if the configuration of before is recorded again. Whoever has overtaken the call does it otherwise.
    if (!overtaken.aborted) settleDone(engine, key);
  }
}

async function carryOut(
  instance: ManagedInstance,
  record: InstanceRecord,
  config: InstanceConfig,
  run: Run | undefined,
  turn: ApplyTurn,
): Promise<void> {
  const { generation, applied = generation ?? 1 } = record;
  if (run !== undefined) await ensureManifest(instance, record, turn);
  const patch = { config, generation: nextGeneration(record), ...(run && { applied }) };
  const changed = await instance.record.change(record, patch, turn);
  if (run === undefined) return;
  try {
    await applyLive(instance, changed, run, turn);
  } catch (cause) {
    const failure = await undone(instance, { before: record, changed, failure: cause }, turn);
    throw await whyFailed(instance, "update", run, { signal: turn.signal, expected: EXPECTED }, failure);
  }
}

interface Failed {
  readonly before: InstanceRecord;
  readonly changed: InstanceRecord;
  readonly failure: unknown;
}

/** Records the configuration of before. Returns the error to throw. */
async function undone(
  instance: ManagedInstance,
  { before, changed, failure }: Failed,
  { overtaken }: Turn,
): Promise<unknown> {
  // Another call has the lock by now; what is recorded then, the next process to look at the run applies.
  if (overtaken.aborted) return failure;
  try {
    const now = instance.record.read("update");
    const { config, generation } = before;
    const applied = mayHaveLeft(failure) ? changed.generation : before.applied;
    await instance.record.change(now, { config, generation, applied }, { overtaken });
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}

/** Whether the run may have something of what failed: a step back failed too, or the driver was not waited for. */
function mayHaveLeft(failure: unknown): boolean {
  if (!isInstanceError(failure) || failure.code === "ERR_TIMEOUT") return true;
  // That of a driver is the cause of ours.
  return [failure, failure.cause].some((error) => error instanceof Error && "cleanupFailures" in error);
}
