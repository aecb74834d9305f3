import { DriverError } from "../../errors/all.ts";
import type { InstanceConfig } from "../../model/config.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { isApplied, isSameConfig, manifestOf, writeManifest } from "../record/manifest.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";

/** What the engine applies by itself: they are read from the record whenever they are used. */
const OF_THE_ENGINE: readonly string[] = ["labels", "env"];

/**
 * Makes a run agree with the configuration on record, as far as its driver can while it runs; the manifest then has what
 * the run has. `launched`: what the run has if it is of a release that wrote no manifest. Only under the lock.
 */
export async function applyLive(
  instance: ManagedInstance,
  record: InstanceRecord,
  run: Run,
  { signal, overtaken, launched }: Turn & { readonly launched: InstanceConfig },
): Promise<void> {
  const { layout } = instance.engine;
  const manifest = manifestOf(layout, record);
  const before = manifest?.config ?? launched;
  const { changes } = instance.driver.backend.plan(before, record.config);
  const live = changes.filter(({ effect }) => effect === "live").map(({ path }) => path);
  const after = withPaths(before, record.config, live);
  if (!live.every((path) => OF_THE_ENGINE.includes(path))) {
    const { update } = run.running;
    if (update === undefined) {
      const why = `its plan calls ${live.join(", ")} live, but its runs have no update()`;
      throw new DriverError({ driver: instance.driverName, instance: instance.name, step: "update", why });
    }
    await update.call(run.running, { before, after }, { signal });
  }
  overtaken.throwIfAborted();
  if (manifest !== undefined) writeManifest(layout.manifest(instance.key), { ...manifest, config: after });
  // Nothing of it is lost with the machine: then nothing runs.
  if (isSameConfig(after, record.config) && !isApplied(record))
    await instance.record.change(record, { applied: record.generation }, { overtaken, orderOnly: true });
}

/** A configuration with what another has at these paths, written as drivers write them: `labels`, `limits.memory`. Pure. */
function withPaths(config: InstanceConfig, other: InstanceConfig, paths: readonly string[]): InstanceConfig {
  const changed: Record<string, unknown> = { ...config };
  for (const path of paths) {
    const [key = "", inner] = path.split(".");
    const [from, into] = [other[key] as Keys | undefined, changed[key] as Keys | undefined];
    const { [inner ?? ""]: _, ...others } = into ?? {};
    changed[key] =
      inner === undefined ? from : { ...others, ...(from?.[inner] !== undefined && { [inner]: from[inner] }) };
    if (changed[key] === undefined) delete changed[key];
  }
  return changed as unknown as InstanceConfig;
}

type Keys = Readonly<Record<string, unknown>>;
