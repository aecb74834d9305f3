import type { InstanceContext } from "../../contract/backend.ts";
import type { ImageTree } from "../../contract/image-tree.ts";
import type { NicAttachment } from "../../contract/nic-attachment.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { type Manifest, manifestOf } from "../record/manifest.ts";
import { keyOf } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Shared } from "./shared.ts";

/**
 * The instance as its driver sees it: as it was launched, if its last run has a manifest, else as it is configured.
 *
 * @throws {HostError} when the manifest is needed and cannot be read: see {@link manifestOf}.
 */
export async function instanceContext(
  engine: Shared,
  record: InstanceRecord,
  options: Abortable,
): Promise<InstanceContext> {
  const launched = manifestOf(engine.layout, record);
  const seen = launched === undefined ? record : asLaunched(record, launched);
  const owner = { name: record.config.name, uuid: record.uuid };
  const [tree, nics] = await Promise.all([
    engine.images.tree(seen.image, options),
    launched?.nics ?? engine.networks.attachments(owner, options),
  ]);
  return { ...contextWith(engine, seen, tree, nics), remembered: launched?.driver };
}

function asLaunched(record: InstanceRecord, { config, image, idmap }: Manifest): InstanceRecord {
  return { ...record, folder: keyOf(record), config, image, idmap };
}

export function contextWith(
  { layout }: Shared,
  record: InstanceRecord,
  tree: ImageTree,
  nics: readonly NicAttachment[],
): InstanceContext {
  const { name } = record.config;
  const key = keyOf(record);
  return {
    name,
    uuid: record.uuid,
    key,
    config: record.config,
    image: record.image,
    tree,
    idmap: record.idmap,
    nics,
    folder: layout.instance(key),
    run: layout.run(key),
    log: layout.log(key),
  };
}
