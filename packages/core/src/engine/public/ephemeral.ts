import type { EphemeralOptions } from "../../contract/host.ts";
import { allOrNothing } from "../../flow/cleanup.ts";
import { CREATE_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { EphemeralOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../instance/engine.ts";
import { thisProcess } from "../record/owner-process.ts";
import { define } from "../verbs/create.ts";
import { remove } from "../verbs/delete.ts";
import { ready } from "../verbs/ready.ts";
import { start } from "../verbs/start.ts";
import { InstanceHandle } from "./handle.ts";

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
