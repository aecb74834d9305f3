import type { Abortable } from "../../contract/abortable.ts";
import { NotFoundError } from "../../contract/errors.ts";
import { NameSchema } from "../../model/name.ts";
import type { Engine } from "../engine.ts";
import { ManagedInstance } from "../managed-instance.ts";
import { unusable } from "../record.ts";

/** The instance by name. @throws {NotFoundError} */
export async function find(engine: Engine, name: string, options: Abortable = {}): Promise<ManagedInstance> {
  options.signal?.throwIfAborted();
  // An illegal name must not become part of a path.
  const legal = NameSchema.safeParse(name).success;
  const reading = legal ? engine.records.read(name) : undefined;
  if (reading?.kind === "newer" || reading?.kind === "garbage")
    throw unusable(name, engine.layout.record(name), reading);
  if (reading?.kind !== "record" || reading.record.phase !== "ready") throw new NotFoundError("instance", name);
  const known = engine.instances.get(name);
  if (known?.uuid === reading.record.uuid) return known;
  const instance = new ManagedInstance(engine, reading.record);
  engine.instances.set(name, instance);
  return instance;
}
