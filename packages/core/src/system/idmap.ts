import { systemError } from "../errors/system-error.ts";
import type { Idmap } from "../terms/idmap.ts";

/** What the kernel shows for an id that is not mapped: /proc/sys/kernel/overflowuid. */
const OVERFLOW = 65534;

/** One more than the largest id: -1 means "unchanged" to the kernel (chown(2)). */
const IDS = 0xffff_ffff;

/**
 * The id on the host of an id inside; without a map it is the same.
 *
 * @throws an error with `code` `EINVAL` for an id that the map does not contain. Archives can hold negative ids, which
 * would become ids of the host.
 */
export function idOutside(idmap: Idmap | undefined, id: number): number {
  const { base, count } = idmap ?? { base: 0, count: IDS };
  if (!Number.isInteger(id) || id < 0 || id >= count)
    throw systemError("EINVAL", `id ${id}`, `the id ${id} is none of the instance, which has 0 to ${count - 1}`);
  return base + id;
}

/** The id inside of an id on the host, as the kernel shows it there: 65534 when the map does not contain it. */
export function idInside(idmap: Idmap | undefined, id: number): number {
  if (!isMapped(idmap, id)) return OVERFLOW;
  return id - (idmap?.base ?? 0);
}

/** Whether the map contains an id of the host. */
export function isMapped(idmap: Idmap | undefined, id: number): boolean {
  return idmap === undefined || (id >= idmap.base && id < idmap.base + idmap.count);
}
