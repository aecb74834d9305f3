import { isDeepStrictEqual } from "node:util";
import type { LiveChange } from "../../contract/backend.ts";
import { DriverError, HostError } from "../../errors/all.ts";
import { allOrNothing } from "../../flow/cleanup.ts";
import type { InstanceConfig } from "../../model/config.ts";
import { keysOf } from "../../model/plan-path.ts";
import { instanceContext } from "../instance/context.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { isApplied, type Manifest, makeManifest, manifestOf, writeManifest } from "../record/manifest.ts";
import { type InstanceRecord, isDoubtful } from "../record/record.ts";
import type { Run } from "../run/run.ts";

/** What the engine applies by itself: they are read from the record whenever they are used. */
const OF_THE_ENGINE: readonly string[] = ["labels", "env"];

/**
 * What a run has, before its record is changed for the first time: a run of an early release has no manifest, and nothing
 * else would tell it afterwards. Only under the lock.
 */
export async function ensureManifest(
  instance: ManagedInstance,
  record: InstanceRecord,
  { signal }: Turn,
): Promise<void> {
  const { engine, key, uuid } = instance;
  if (manifestOf(engine.layout, record) !== undefined) return;
  const { nics } = await instanceContext(engine, record, { signal });
  writeManifest(engine.layout.manifest(key), makeManifest(record.run ?? uuid, record, nics));
}

/**
 * Whether a run could have at once what it does not have, as far as can be told: what changed it was killed meanwhile, is
 * about to apply it, or failed and left it half done.
 */
export function isUnapplied(instance: ManagedInstance, record: InstanceRecord): boolean {
  if (record.state === "stopped" || isApplied(record)) return false;
  try {
    const manifest = manifestOf(instance.engine.layout, record);
    if (manifest === undefined) return false;
    return isDoubtful(record) || liveChanges(instance, manifest, record.config).length > 0;
  } catch (error) {
    // The calls that need the manifest say so.
    if (error instanceof HostError) return false;
    throw error;
  }
}

function liveChanges(
  { driver }: ManagedInstance,
  { config, driver: remembered }: Manifest,
  after: InstanceConfig,
): readonly string[] {
  const { changes } = driver.backend.plan(config, after, { config, remembered });
  return changes.filter(({ effect }) => effect === "live").map(({ path }) => path);
}

/** The turn in which a run is changed. */
export interface ApplyTurn extends Turn {
  /** Whether the run has what its manifest says. */
  readonly sure: boolean;
  /** See {@link LiveChange.force}. */
  readonly force?: boolean | undefined;
}

/**
 * Makes a run agree with the configuration on record, as far as its driver can while it runs; the manifest then has what
 * the run has. All or nothing. After a crash in the middle the record says that it was not applied: then the driver is
 * called whatever the manifest says. Only under the lock.
 */
export async function applyLive(
  instance: ManagedInstance,
  record: InstanceRecord,
  run: Run,
  { signal, overtaken, sure, force }: ApplyTurn,
): Promise<void> {
  const { layout } = instance.engine;
  const manifest = manifestOf(layout, record);
  if (manifest === undefined) return;
  const { config: before } = manifest;
  const live = liveChanges(instance, manifest, record.config);
  const after = withPaths(before, record.config, live);
  await allOrNothing(async (undo) => {
    if (!sure || !live.every((path) => OF_THE_ENGINE.includes(path))) {
      await updateRun(instance, run, { before, after, live, force }, signal);
      // Whoever has overtaken the call changes what it finds.
      undo(() =>
        overtaken.aborted ? undefined : updateRun(instance, run, { before: after, after: before, live }, undefined),
      );
    }
    overtaken.throwIfAborted();
    writeManifest(layout.manifest(instance.key), { ...manifest, config: after });
    undo(() => (overtaken.aborted ? undefined : rewrite(layout.manifest(instance.key), manifest)));
    const { generation = 1 } = record;
    const isAll = isDeepStrictEqual(after, record.config);
    // Nothing of it is lost with the machine: then nothing runs.
    if (isAll ? !isApplied(record) : isDoubtful(record))
      await instance.record.change(
        record,
        { applied: isAll ? record.generation : Math.max(1, generation - 1) },
        { overtaken, orderOnly: true },
      );
  });
}

/** Applies what an update that was cut short has left. What fails again stays for the next start. Only under the lock. */
export async function finishUpdate(
  instance: ManagedInstance,
  record: InstanceRecord,
  run: Run,
  turn: Turn,
): Promise<void> {
  if (!isUnapplied(instance, record)) return;
  try {
    await applyLive(instance, instance.record.read("update"), run, { ...turn, sure: false });
  } catch {
    // As the comment above says. An instance that is half deleted gets no limits either.
  }
}

interface Update extends LiveChange {
  readonly live: readonly string[];
}

async function updateRun(
  { driverName, name }: ManagedInstance,
  { running }: Run,
  { live, ...change }: Update,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (running.update !== undefined) return running.update(change, { signal });
  const unable = live.filter((path) => !OF_THE_ENGINE.includes(path));
  if (unable.length === 0) return;
  const why = `its plan calls ${unable.join(", ")} live, but its runs have no update()`;
  throw new DriverError({ driver: driverName, instance: name, step: "update", why });
}

function rewrite(path: string, manifest: Manifest): void {
  writeManifest(path, manifest);
}

/**
 * A configuration with what another has at these paths, written as drivers write them: `labels`, `limits.memory`. A
 * device is taken as a whole, whichever of its options the path names. Pure.
 */
function withPaths(config: InstanceConfig, other: InstanceConfig, paths: readonly string[]): InstanceConfig {
  const changed: Record<string, unknown> = { ...config };
  for (const path of paths) {
    const [key = "", inner] = keysOf(path);
    const [from, into] = [other[key] as Keys | undefined, changed[key] as Keys | undefined];
    const { [inner ?? ""]: _, ...others } = into ?? {};
    changed[key] =
      inner === undefined ? from : { ...others, ...(from?.[inner] !== undefined && { [inner]: from[inner] }) };
    if (changed[key] === undefined) delete changed[key];
  }
  return changed as unknown as InstanceConfig;
}

type Keys = Readonly<Record<string, unknown>>;
