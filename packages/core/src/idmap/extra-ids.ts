import type { IdmapRequest } from "../contract/backend.ts";
import { ConfigError } from "../errors/all.ts";
import { type IdRange, overlap, renderRange, subtract } from "../terms/id-range.ts";
import { SPARE_ID } from "./host-ids.ts";
import type { TakenRange } from "./ranges.ts";

/** The ids of the host that a request names in extra lines: those of its accounts. */
export function extraIds({ extra = [] }: Pick<IdmapRequest, "extra">): readonly IdRange[] {
  return extra.map(({ outside, count }) => ({ base: outside, count }));
}

/**
 * What of the ids in use may be the range of a container that another program made. Not a map of one id: many a program
 * of a user has a user namespace with that user's id alone, as browsers do. Not a map that begins with the host's own
 * accounts. Not what `known` lists.
 */
export function rangesOfContainers(inUse: readonly TakenRange[], known: readonly IdRange[]): readonly TakenRange[] {
  const isKnown = (range: IdRange) => known.some(({ base, count }) => base === range.base && count === range.count);
  return inUse.filter((range) => range.count > 1 && range.base >= ACCOUNTS && !isKnown(range));
}

const ACCOUNTS = 65_536;

const SPARE: TakenRange = { base: SPARE_ID, count: 1, owner: "programs of this host that need no rights" };

/**
 * Refuses the extra lines of a request that would give an instance the ids of another, or ids that are not in `own`,
 * those of our user namespace.
 *
 * @throws {ConfigError} with an issue for each such line
 */
export function assertNobodyElses(
  request: Pick<IdmapRequest, "extra" | "path">,
  taken: readonly TakenRange[],
  own: readonly IdRange[],
): void {
  const issues = extraIds(request).flatMap((ids, index) => {
    const message = refusalOf(ids, [SPARE, ...taken], own);
    return message === undefined ? [] : [{ path: [...request.path.slice(0, -1), "extra", index, "outside"], message }];
  });
  if (issues.length > 0) throw new ConfigError("instance config", issues);
}

function refusalOf(ids: IdRange, taken: readonly TakenRange[], own: readonly IdRange[]): string | undefined {
  const name = ids.count === 1 ? `id ${ids.base}` : `ids ${renderRange(ids)}`;
  const other = taken.find((range) => overlap(range, ids));
  if (other !== undefined)
    return `${name} would be shared: ${renderRange(other)} belong to ${other.owner}; name ids of accounts of the host`;
  if (subtract([ids], own).length > 0) return `${name} cannot be given: not all are ids of this user namespace`;
  return undefined;
}
