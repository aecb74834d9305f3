import type { InstanceContext } from "../../contract/backend.ts";
import { isInstanceError, NotFoundError } from "../../errors/all.ts";
import { contextWith, instanceContext } from "../instance/context.ts";
import type { OpenDriver, Shared } from "../instance/shared.ts";
import { keyOf, unlink } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import { deletedEvent, unsettledNames } from "../record/settle.ts";
import { removeInstanceFolder } from "../root/remove-folder.ts";

/**
 * Removes everything that create made of an instance that does not run, even if that create was not finished. The
 * record goes last, so that an interrupted removal can be repeated. Only under the instance's lock.
 */
export async function removeTraces(shared: Shared, driver: OpenDriver, record: InstanceRecord): Promise<void> {
  const context = await contextToRemove(shared, record);
  await driver.backend.remove(context, {});
  shared.ids.release(record.uuid);
  const { name } = record.config;
  const names = [name, ...unsettledNames(shared, keyOf(record))];
  await shared.networks.release({ name, uuid: record.uuid });
  await removeInstanceFolder(context.folder, () => {
    // A create that was undone was never told.
    if (record.phase === "deleting") shared.events.publish([deletedEvent(name, record.uuid)]);
  });
  for (const each of names) unlink(shared.layout, each, keyOf(record));
}

/**
 * As {@link instanceContext}, but without layers when the image is lost, and as it is configured when nobody knows how
 * it was launched: the instance must be deletable then too.
 */
async function contextToRemove(shared: Shared, record: InstanceRecord): Promise<InstanceContext> {
  try {
    return await instanceContext(shared, record, {});
  } catch (error) {
    if (isInstanceError(error, "ERR_HOST") && record.run !== undefined)
      return contextToRemove(shared, { ...record, run: undefined });
    if (!isInstanceError(error, "ERR_IMAGE_NOT_FOUND")) throw error;
    const merged = () => Promise.reject(new NotFoundError("image", record.image.fingerprint));
    return contextWith(shared, record, { kind: "layers", layers: [], merged }, []);
  }
}
