import type { ProgressOptions } from "../../contract/abortable.ts";
import { allOrNothing } from "../../driver/cleanup.ts";
import type { Engine } from "../engine.ts";
import { InstanceHandle } from "../handle.ts";
import { create } from "./create.ts";
import { remove } from "./delete.ts";
import { start } from "./start.ts";

/** Creates and starts an instance whose handle deletes it when disposed; leaves nothing when that fails. */
export function ephemeral(engine: Engine, input: unknown, options: ProgressOptions = {}): Promise<InstanceHandle> {
  return allOrNothing(async (undo) => {
    const instance = await create(engine, input, options);
    undo(() => remove(instance));
    await start(instance, options);
    return new InstanceHandle(instance, () => remove(instance));
  });
}
