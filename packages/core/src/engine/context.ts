import type { Abortable } from "../contract/abortable.ts";
import type { InstanceContext } from "../driver/backend.ts";
import type { ImageTree } from "../images/tree.ts";
import type { NicAttachment } from "../network/attachment.ts";
import type { Engine } from "./engine.ts";
import type { InstanceRecord } from "./record.ts";

/** The instance as its driver sees it. */
export async function instanceContext(
  engine: Engine,
  record: InstanceRecord,
  options: Abortable,
): Promise<InstanceContext> {
  const { name } = record.config;
  const [tree, nics] = await Promise.all([
    engine.images.tree(record.image, options),
    engine.networks.attachments({ name, uuid: record.uuid }, options),
  ]);
  return contextWith(engine, record, tree, nics);
}

export function contextWith(
  { layout }: Engine,
  record: InstanceRecord,
  tree: ImageTree,
  nics: readonly NicAttachment[],
): InstanceContext {
  const { name } = record.config;
  return {
    name,
    uuid: record.uuid,
    config: record.config,
    image: record.image,
    tree,
    idmap: record.idmap,
    nics,
    folder: layout.instance(name),
    run: layout.run(name),
    log: layout.log(name),
  };
}
