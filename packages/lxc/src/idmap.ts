import type { IdmapSettings, InstanceConfig } from "@pileus/core";
import { ID_COUNT, type Idmap, type IdmapRequest, type InstanceContext } from "@pileus/core/driver";

/** The keys of a driver's section that say which ids a container has. */
export interface IdmapSection {
  readonly privileged: boolean;
  /** Default: isolated. */
  readonly idmap?: IdmapSettings | undefined;
}

/**
 * The map of all unprivileged containers of earlier releases: Debian's first subordinate range (useradd(8),
 * SUB_UID_MIN). Their files belong to these ids on disk.
 */
const LEGACY_IDMAP: Idmap = { base: 100_000, count: 65_536 };

/** For `Backend.idmap()`: the ids that a container needs. A privileged one needs none of its own. */
export function idmapRequest({ driver, ...config }: InstanceConfig): IdmapRequest | undefined {
  const { privileged, idmap } = config[driver as "lxc"] as IdmapSection;
  if (privileged) return undefined;
  const { mode = "isolated", base, size = ID_COUNT, extra } = idmap ?? {};
  return { mode, base, count: size, extra, path: [driver, "idmap", "base"] };
}

/** The map of a container, and whether its files belong to mapped ids on disk. */
export interface ContainerIds {
  readonly idmap: Idmap | undefined;
  readonly mappedOnDisk: boolean;
}

/** The ids of a container by its configuration and its record. Instances of earlier releases have 65,536 from 100,000 on. */
export function containerIds({ config, idmap }: InstanceContext): ContainerIds {
  const { privileged } = config[config.driver as "lxc"] as IdmapSection;
  if (privileged) return { idmap: undefined, mappedOnDisk: false };
  return idmap === undefined ? { idmap: LEGACY_IDMAP, mappedOnDisk: true } : { idmap, mappedOnDisk: false };
}

/** The issue of a section that asks for ids of its own and is privileged at the same time. */
export function idmapIssue({ privileged, idmap }: IdmapSection): string | undefined {
  if (!privileged || idmap === undefined) return undefined;
  return "a privileged instance has the ids of the host: leave this or privileged out";
}
