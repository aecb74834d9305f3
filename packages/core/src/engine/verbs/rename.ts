import type { Abortable } from "../../flow/abortable.ts";
import { NameSchema } from "../../model/name.ts";
import { parse } from "../../model/parse.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import { beginOwn, settleDone, settleOperations } from "../record/settle.ts";
import { settleName, tryClaimName } from "../remains/claim-name.ts";
import { assertResolvable } from "./instance-config.ts";

const SUBJECT = "new name of an instance";

/** Gives an instance another name. The record decides which one it has; everything else is by its key. */
export async function rename(instance: ManagedInstance, to: string, options: Abortable = {}): Promise<void> {
  const name = parse(NameSchema, to, SUBJECT);
  for (;;) {
    const { config } = instance.record.read("rename");
    if (config.name !== name) {
      assertResolvable({ ...config, name }, SUBJECT, []);
      await settleName(instance.engine, name, instance.key, options);
    }
    const renamed = await instance.lock.exclusively("rename", options, (record, turn) =>
      renameUnderLock(instance, record, name, turn),
    );
    if (renamed) return;
  }
}

/** False when the name is not free, as far as can be told without a wait. */
async function renameUnderLock(
  instance: ManagedInstance,
  record: InstanceRecord,
  to: string,
  { signal, overtaken }: Turn,
): Promise<boolean> {
  if (record.config.name === to) return true;
  const { engine, key, uuid } = instance;
  // Before the link: else nobody would look for one that a crash leaves.
  const operation = beginOwn(engine.events, { kind: "rename", record, to });
  try {
    if (!tryClaimName(engine, to, key)) {
      operation.end();
      return false;
    }
    await engine.networks.rename({ name: to, uuid }, { signal });
    signal.throwIfAborted();
    await instance.record.rename(record, to, overtaken);
  } catch (error) {
    // As after a crash. Another call has the lock once this one was overtaken, and a later one settles it.
    if (!overtaken.aborted) await settleOperations(engine, key, { signal: overtaken });
    throw error;
  }
  settleDone(engine, key);
  return true;
}
