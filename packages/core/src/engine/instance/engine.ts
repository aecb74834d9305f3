import { keyOf } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import { ManagedInstance } from "./managed-instance.ts";
import type { Shared } from "./shared.ts";

/** An open host: what its instances share, and the instances. */
export interface Engine extends Shared {
  /** The instances that this process knows, by key. The records on disk are the truth. */
  readonly instances: Map<string, ManagedInstance>;
}

/** The instance of a record that was read, from now on known to this process. */
export function know(engine: Engine, record: InstanceRecord): ManagedInstance {
  const key = keyOf(record);
  const known = engine.instances.get(key);
  if (known?.uuid === record.uuid) return known;
  const instance: ManagedInstance = new ManagedInstance(engine, record, () => {
    if (engine.instances.get(key) === instance) engine.instances.delete(key);
  });
  engine.instances.set(key, instance);
  return instance;
}
