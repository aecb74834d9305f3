import type { EphemeralOptions } from "../../contract/host.ts";
import { allOrNothing } from "../../driver/cleanup.ts";
import { CREATE_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { EphemeralOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../engine.ts";
import { InstanceHandle } from "../handle.ts";
import { thisProcess } from "../owner-process.ts";
import { define } from "./create.ts";
import { remove } from "./delete.ts";
import { ready } from "./ready.ts";
import { start } from "./start.ts";

/** Creates and starts an instance; disposing its handle deletes it. Leaves nothing when that fails. */
export function ephemeral(engine: Engine, input: unknown, options: EphemeralOptions = {}): Promise<InstanceHandle> {
  return allOrNothing(async (undo) => {
    const { ready: wait } = parse(EphemeralOptionsSchema, options, "options of ephemeral", CREATE_HABITS);
    const { signal } = options;
    const instance = await define(engine, input, { ...options, owner: await thisProcess() });
    undo(() => remove(instance));
    await start(instance, { signal });
    if (wait !== false) await ready(instance, { ...(wait === true ? {} : wait), signal });
    return new InstanceHandle(instance, () => remove(instance));
  });
}
